"""The pooling stage: finished outputs of several systems over the same data become one n-best list each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from prefect import get_run_logger, task
from prefect.client.schemas.objects import State
from pydantic import ValidationError

from components.device import pick_device
from components.ensembling import language_model, pooling
from components.ensembling.config import PoolingConfig
from components.errors import ConfigError, StoreError
from components.models.weights import weights_at
from components.records import NBest, Outcome, StageRef, Utterance
from components.storage.reader import StoredOutcomes, utterances
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.store import Store
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot

LIBRARIES = ("numpy", "sacrebleu", "rapidfuzz", "openai-whisper")
MODEL_LIBRARIES = ("torch", "transformers")
"""What a language model adds."""
Members = tuple[tuple[str, StageRef], ...]
"""Systems by name, in the order in which they are aligned and ties are broken."""


@lru_cache(maxsize=64)
def _stored(ref: StageRef) -> StoredOutcomes:
    return StoredOutcomes(ref)


def outcome(name: str, ref: StageRef, utterance_id: str) -> Outcome | None:
    """What a system made of an utterance; None if it has nothing. Raises :class:`StoreError`."""
    try:
        return _stored(ref).get(utterance_id)
    except ValidationError as error:
        fault = error.errors()[0]
        raise StoreError(
            f"system {name}: expected at least one hypothesis in the n-best list of {utterance_id!r}, found "
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, in {ref.path}; run this member again"
        ) from None


@task(name="pool shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def pool_shard(
    plan: StagePlan,
    config: PoolingConfig,
    members: Members,
    heard: bool,
    store_url: str | None,
    payload: str,
) -> Shard:
    """Pool the outputs for the utterances of one packed shard; ``heard``: they are transcripts."""
    store = Store(store_url)
    given = [(name, store.at_hand(ref)) for name, ref in members]

    def component(shard: Sequence[Utterance]) -> list[Outcome]:
        return [
            pooling.pool(
                utterance.id,
                {name: outcome(name, ref, utterance.id) for name, ref in given},
                config,
                utterance.source_language if heard else utterance.target_language or "und",
                model,
            )
            for utterance in shard
        ]

    with slot_of(config):
        model = model_of(plan, config, store_url)
        return compute("pool", payload, component)


def slot_of(config: PoolingConfig) -> AbstractContextManager[None]:
    """The card that the language model computes on, if reranking is to use one."""
    return device_slot("auto") if named_of(config) else nullcontext()


def named_of(config: PoolingConfig) -> dict[str, str]:
    """The language model whose word is a feature, if reranking is to use one, by its role."""
    name = config.language_model
    return {} if config.method != "reranking" or name is None else {"lm": name}


def parameters_of(config: PoolingConfig) -> dict[str, object]:
    """``parameters`` of a plan: the settings, and where a language model computes, if there is one."""
    device = {"device": pick_device().type} if named_of(config) else {}
    return config.model_dump(mode="json", exclude={"language_model"}) | device


def model_of(
    plan: StagePlan, config: PoolingConfig, store_url: str | None
) -> language_model.LanguageModel | None:
    """That language model, loaded."""
    name = named_of(config).get("lm")
    if name is None:
        return None
    return component_of(plan, name, store_url, lambda: language_model.load(name, store_url))


def offered(data: StageRef, members: Members) -> Iterator[Utterance]:
    """The utterances of a data set on which at least one system has said something, or failed."""
    stored = [_stored(ref) for _, ref in members]
    return (utterance for utterance in utterances(data) if any(utterance.id in s for s in stored))


def plan_of(
    config: PoolingConfig, members: Members, stage: str, read: tuple[StageRef, int], store_url: str | None
) -> StagePlan:
    """What decides the outputs of the stage: the order of the systems is part of it. ``read``: the data and
    how many of its utterances there are to pool.
    """
    (data, total), named = read, named_of(config)
    upstream = {f"{number}:{name}": content_of(ref) for number, (name, ref) in enumerate(members)}
    return StagePlan(
        stage=stage,
        version=f"pooling/{pooling.version}",
        parameters=parameters_of(config),
        upstream={"data": content_of(data), **upstream},
        weights=weights_at(named, store_url),
        shard_size=shard_size(total),
        libraries=library_versions((*LIBRARIES, *(MODEL_LIBRARIES if named else ()))),
        models=named | {f"member{number}": name for number, (name, _) in enumerate(members, 1)},
    )


@task(name="pool", **NOT_STORED)
def pool(
    config: PoolingConfig,
    refs: Sequence[StageRef],
    data: StageRef,
    store_url: str | None,
    names: Sequence[str] = (),
    stage: str = "pool",
) -> StageRef | State[StageRef]:
    """Combine finished stages (n-best lists over the utterances of ``data``), or go on where a run stopped.

    ``names`` are the systems' (default: the ``system`` of each one's first hypothesis, numbered where two
    are equal); ``stage`` is the name of the new stage. Transcripts (stages whose names begin with asr) are
    compared in the source language, other texts in the target language.

    Raises:
        ConfigError: weights or names do not fit, or a system has no utterance in common with the data.
        StoreError: a stored n-best list is empty or damaged.
    """
    systems = tuple(names) if names else _names(refs)
    if len(systems) != len(refs):
        raise ConfigError(f"pool: expected a name for each of {len(refs)} systems, found {len(systems)}")
    pooling.check(config, systems)
    members = tuple(zip(systems, refs, strict=True))
    total = _check_members(data, members)
    heard = all(ref.stage.startswith("asr") for ref in refs)
    plan = plan_of(config, members, stage, (data, total), store_url)
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: offered(data, members),
        total,
        lambda payload, number: pool_shard.submit(plan, config, members, heard, store_url, payload),
    )
    publish_examples(ref)
    return shown(ref)


def _names(refs: Sequence[StageRef]) -> tuple[str, ...]:
    names: list[str] = []
    for number, ref in enumerate(refs, 1):
        outcomes = (outcome(f"{number} ({ref.stage})", ref, key) for key in _stored(ref))
        first = next((found for found in outcomes if isinstance(found, NBest)), None)
        name = first.best.system if first else ref.stage
        names.append(name if name not in names else f"{name}#{number}")
    return tuple(names)


def _check_members(data: StageRef, members: Members) -> int:
    """How many utterances there are to pool; says what each system lacks, refuses one that lacks all."""
    ids = [utterance.id for utterance in offered(data, members)]
    for name, ref in members:
        stored = _stored(ref)
        known = sum(utterance_id in stored for utterance_id in ids)
        if not known:
            raise ConfigError(
                f"pool: expected the outputs of {name} over the same data, found no utterance in common; "
                "run every member on one data set"
            )
        lacking = len(ids) - known + ref.quarantined
        if lacking:
            get_run_logger().warning(
                "pool: %s has no output for %d of %d utterances; the others go on", name, lacking, len(ids)
            )
    return len(ids)
