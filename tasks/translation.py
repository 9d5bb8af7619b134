"""The ``mt`` stage: source texts (written, or heard by ``asr``) become translation n-best lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components.device import pick_device, seed_everything
from components.errors import ConfigError
from components.models.weights import weights_at
from components.records import StageRef, Utterance
from components.storage.reader import hypotheses, utterances
from components.storage.seal import file_digest
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from components.translation import factory
from components.translation.config import TranslationConfig
from components.translation.translator import Translator
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot

LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacremoses")


def _translator(plan: StagePlan, config: TranslationConfig, store_url: str | None) -> Translator:
    files = {"examples": config.examples} if config.examples else {}
    return component_of(plan, config, store_url, lambda: factory.build(config, store_url), files)


@task(name="translate shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def translate_shard(
    plan: StagePlan, config: TranslationConfig, store_url: str | None, payload: str, seed: int
) -> Shard:
    """Translate the utterances of one packed shard."""
    with device_slot(config.device):
        translator = _translator(plan, config, store_url)
        seed_everything(seed)
        return compute("mt", payload, translator.translate)


def translatable(data: StageRef, asr: StageRef | None) -> Iterator[Utterance]:
    """The utterances of a data set with the text to translate: what was heard, else what is written.

    Those that ``asr`` put aside, and spoken ones without ``asr`` and text, are left out.
    """
    heard = hypotheses(asr) if asr is not None else iter(())
    head = next(heard, None)
    for utterance in utterances(data):
        if head is not None and utterance.id == head.utterance_id:
            update = {"text": head.best.text, "source_language": head.language or utterance.source_language}
            yield utterance.model_copy(update=update)
            head = next(heard, None)
        elif utterance.text is not None and (utterance.audio is None or asr is None):
            yield utterance


def plan_of(
    config: TranslationConfig, store_url: str | None, read: tuple[StageRef, ...], total: int, seed: int
) -> StagePlan:
    """What decides the outputs of the stage. Resolves the model reference, loads nothing.

    Raises:
        ConfigError: the file of examples cannot be read.
    """
    parameters = config.model_dump(mode="json", exclude={"device", "examples", "model"})
    parameters["device"] = pick_device(config.device).type
    try:
        inputs = {"examples": file_digest(Path(config.examples))} if config.examples else {}
    except OSError as error:
        raise ConfigError(f"mt.examples: expected a readable JSONL file, found {error}") from error
    named = {"model": config.model}
    return StagePlan(
        stage="mt",
        version=f"translation/{Translator.version}",
        parameters=parameters,
        upstream=read_by(*read),
        inputs=inputs,
        weights=weights_at(named, store_url),
        seed=seed,
        shard_size=shard_size(total),
        libraries=library_versions(LIBRARIES),
        models=named,
    )


@task(name="mt", **NOT_STORED)
def translate(
    config: TranslationConfig, read: tuple[StageRef, ...], store_url: str | None, seed: int
) -> StageRef | State[StageRef]:
    """Translate what the stages ``read`` give (data, or data and asr), or go on where a run stopped."""
    data, asr = read[0], read[1] if len(read) > 1 else None
    total = data.items - data.quarantined
    plan = plan_of(config, store_url, read, total, seed)
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: translatable(data, asr),
        total,
        lambda payload, number: translate_shard.submit(plan, config, store_url, payload, seed + number),
    )
    publish_examples(ref)
    return shown(ref)
