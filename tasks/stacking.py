"""The ``stack`` stage: what the stages before said, and the sound, become the second system's output."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from prefect import task
from prefect.client.schemas.objects import State

from components.device import pick_device, seed_everything
from components.errors import ConfigError
from components.models.weights import weights_at
from components.records import NBest, StageRef, Utterance
from components.stacking import pooling, translator
from components.stacking.config import StackConfig
from components.storage.reader import hypotheses, utterances
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot

LIBRARIES = (
    *("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacremoses", "openai-whisper", "av"),
)
LEARNED = ("late_fusion", "pooled")
"""Methods that mix with the cascade's text model, by a coefficient."""


def _translator(
    plan: StagePlan, config: StackConfig, text_model: str, store_url: str | None
) -> translator.StackedTranslator | pooling.PooledTranslator:
    made: translator.StackedTranslator | pooling.PooledTranslator
    made = component_of(
        plan, (config, text_model), store_url, lambda: _room(config).build(config, text_model, store_url)
    )
    return made


def _room(config: StackConfig) -> ModuleType:
    return pooling if config.method == "pooled" else translator


@task(name="stack shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def stack_shard(
    plan: StagePlan, config: StackConfig, text_model: str, store_url: str | None, payload: str, seed: int
) -> Shard:
    """Translate the utterances of one packed shard."""
    with device_slot(config.device):
        stacked = _translator(plan, config, text_model, store_url)
        seed_everything(seed)
        return compute("stack", payload, stacked.translate)


def stacked_inputs(config: StackConfig, data: StageRef, asr: StageRef, mt: StageRef) -> Iterator[Utterance]:
    """The utterances with all that the method reads as lines of ``text``: transcripts, then the translation.

    Those that an earlier stage put aside are left out.
    """
    heard, drafts = hypotheses(asr), hypotheses(mt)
    transcript, draft = next(heard, None), next(drafts, None)
    for utterance in utterances(data):
        said = transcript if transcript is not None and transcript.utterance_id == utterance.id else None
        first = draft if draft is not None and draft.utterance_id == utterance.id else None
        transcript = next(heard, None) if said else transcript
        draft = next(drafts, None) if first else draft
        if said is not None and first is not None:
            yield utterance.model_copy(update={"text": "\n".join(_lines(config, said, first))})


def _lines(config: StackConfig, said: NBest, first: NBest) -> list[str]:
    count = config.transcripts if config.method == "dual_source" else 1
    lines = [" ".join(hypothesis.text.split()) for hypothesis in said.hypotheses[:count]]
    count = {"pre_translation": 1, "pooled": len(first.hypotheses)}.get(config.method, 0)
    return [*lines, *(" ".join(hypothesis.text.split()) for hypothesis in first.hypotheses[:count])]


def plan_of(
    config: StackConfig,
    text_model: str,
    read: tuple[StageRef, StageRef, StageRef],
    store_url: str | None,
    seed: int,
) -> StagePlan:
    """What decides the outputs of the stage. Resolves the models, loads nothing."""
    if config.model is None:
        raise ConfigError("stack.model: expected a model such as store:KEY, found none")
    left_out = {"device", "model", *(() if config.blank else ("blank",))}
    parameters = config.model_dump(mode="json", exclude=left_out)
    named = {"model": config.model, **({"text": text_model} if config.method in LEARNED else {})}
    return StagePlan(
        stage="stack",
        version=f"stacking/{_room(config).VERSION}",
        parameters={**parameters, "device": pick_device(config.device).type},
        upstream=read_by(*read),
        weights=weights_at(named, store_url),
        seed=seed,
        shard_size=shard_size(read[0].items),
        libraries=library_versions(LIBRARIES),
        models=named,
    )


@task(name="stack", **NOT_STORED)
def stack(
    config: StackConfig,
    text_model: str,
    read: tuple[StageRef, StageRef, StageRef],
    store_url: str | None,
    seed: int,
) -> StageRef | State[StageRef]:
    """Translate what ``read`` gives (data, asr, mt) by the stacked system, or go on where a run stopped."""
    total = sum(1 for _ in stacked_inputs(config, *read))
    plan = plan_of(config, text_model, read, store_url, seed)
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: stacked_inputs(config, *read),
        total,
        lambda payload, number: stack_shard.submit(
            plan, config, text_model, store_url, payload, seed + number
        ),
    )
    publish_examples(ref)
    return shown(ref)
