"""The ``refine-N`` stages: one per round, each reading the rounds before it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from prefect import task
from prefect.client.schemas.objects import State

from components.device import pick_device, seed_everything
from components.models.weights import weights_at
from components.records import NBest, Outcome, StageRef, Utterance
from components.refining import gates
from components.refining.config import RefineConfig
from components.refining.rounds import Refiner
from components.storage.reader import StoredOutcomes, hypotheses
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot
from tasks.translation import translatable

LIBRARIES = ("torch", "numpy", "llvmlite", "transformers", "sentencepiece", "sacrebleu")


def _refiner(plan: StagePlan, config: RefineConfig, store_url: str | None) -> Refiner:
    return component_of(plan, config, store_url, lambda: Refiner(config, store_url))


@lru_cache(maxsize=64)
def _outcomes(ref: StageRef, store_url: str | None) -> StoredOutcomes:
    return StoredOutcomes(Store(store_url).at_hand(ref))


@task(name="refine shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def refine_shard(
    plan: StagePlan,
    config: RefineConfig,
    rounds: tuple[StageRef, ...],
    left: int,
    store_url: str | None,
    payload: str,
    seed: int,
) -> Shard:
    """The next round of the utterances of one packed shard."""

    def one_round(items: list[Utterance]) -> list[Outcome]:
        history: list[list[NBest]] = [[] for _ in items]
        for ref in rounds:
            for past, item in zip(history, items, strict=True):
                outcome = _outcomes(ref, store_url)[item.id]
                assert isinstance(outcome, NBest)
                past.append(outcome)
        return _refiner(plan, config, store_url).round(items, history, left)

    with device_slot(config.device):
        seed_everything(seed)
        return compute("refine", payload, lambda items: one_round(list(items)))


def _drafted(
    data: StageRef, asr: StageRef | None, draft: StageRef, target: str | None
) -> Iterator[Utterance]:
    """The utterances that have a draft, with their source text and target language."""
    known = {outcome.utterance_id for outcome in hypotheses(draft)}
    for utterance in translatable(data, asr):
        if utterance.id in known:
            yield utterance.model_copy(update={"target_language": utterance.target_language or target})


@task(name="refine", **NOT_STORED)
def refine(
    config: RefineConfig,
    read: tuple[StageRef, StageRef | None],
    rounds: tuple[StageRef, ...],
    budget: tuple[int, str | None],
    store_url: str | None,
    seed: int,
) -> StageRef | State[StageRef]:
    """The next round on ``read`` (data, and asr or None) after ``rounds`` (the draft first).

    ``budget`` are the rounds in all and the target language of data that do not name one.
    """
    (data, asr), (total, target), number = read, budget, len(rounds)
    left = max(1, total - number + 1)
    items = rounds[0].items - rounds[0].quarantined
    named = {"model": config.model}
    if config.gate in gates.MODELLED:
        named["gate"] = config.gate_model
    above = [data, *([asr] if asr else []), *rounds]
    plan = StagePlan(
        stage=f"refine-{number}",
        version=f"refining/{Refiner.version}",
        parameters=config.model_dump(mode="json", exclude={"device", "model", "gate_model"})
        | {"device": pick_device(config.device).type, "target": target}
        | ({"left": left} if config.method == "diffusion" else {}),
        upstream=read_by(*above),
        weights=weights_at(named, store_url),
        seed=seed,
        shard_size=shard_size(items),
        libraries=library_versions(LIBRARIES),
        models=named,
    )
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: _drafted(data, asr, rounds[0], target),
        items,
        lambda payload, shard: refine_shard.submit(
            plan, config, rounds, left, store_url, payload, seed + shard
        ),
    )
    publish_examples(ref)
    return shown(ref)


def all_stopped(ref: StageRef) -> bool:
    """Whether no utterance of a round goes on."""
    return all(outcome.best.features.get("stopped") for outcome in hypotheses(ref))
