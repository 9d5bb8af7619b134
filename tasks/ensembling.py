"""Translations by an ensemble for distillation, which is not a pipeline yet."""

from __future__ import annotations

from prefect import task
from prefect.client.schemas.objects import State

from components.device import pick_device, seed_everything
from components.ensembling import building
from components.ensembling.mixing import DROPOUT, VERSION, Ensemble, members_of
from components.models.weights import weights_at
from components.records import StageRef
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from components.translation.translator import Translator
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot
from tasks.translation import LIBRARIES, translatable

ELSEWHERE = {"learn", "dev", "dev_sentences", "positive", "negative"}
"""Settings of the mixing that the stage of what is learned and the weights stand for."""


def _translator(plan: StagePlan, ensemble: Ensemble, store_url: str | None) -> Translator:
    def build() -> Translator:
        return building.build(ensemble, ensemble.members, ensemble.mixing, store=store_url)

    return component_of(plan, ensemble, store_url, build)


@task(name="mix shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def mix_shard(
    plan: StagePlan,
    ensemble: Ensemble,
    store_url: str | None,
    payload: str,
    seed: int,
) -> Shard:
    """Translate the utterances of one packed shard with all members."""
    with device_slot(ensemble.device):
        translator = _translator(plan, ensemble, store_url)
        seed_everything(seed)
        return compute("mt", payload, translator.translate)


def plan_of(
    ensemble: Ensemble,
    store_url: str | None,
    read: tuple[StageRef, ...],
    total: int,
    seed: int,
) -> StagePlan:
    """What decides the outputs of the stage. Resolves every member, loads nothing."""
    names = members_of(ensemble.members, ensemble.mixing)
    named = {f"member{n}": name.removeprefix(DROPOUT) for n, name in enumerate(names, 1)}
    parameters = ensemble.model_dump(
        mode="json", exclude={"device", "examples", "members", "model", "mixing"}
    )
    parameters["thinned"] = [name.startswith(DROPOUT) for name in names]
    parameters["mixing"] = ensemble.mixing.model_dump(mode="json", exclude=ELSEWHERE)
    parameters["device"] = pick_device(ensemble.device).type
    return StagePlan(
        stage="mt",
        version=f"ensemble/{VERSION}.{Translator.version}",
        parameters=parameters,
        upstream=read_by(*read),
        weights=weights_at(named, store_url),
        seed=seed,
        shard_size=shard_size(total),
        libraries=library_versions(LIBRARIES),
        models=named,
    )


@task(name="mt", **NOT_STORED)
def mix(
    ensemble: Ensemble,
    read: tuple[StageRef, ...],
    store_url: str | None,
    seed: int,
) -> StageRef | State[StageRef]:
    """Translate what the stages ``read`` give (data, or data and asr), or go on where a run stopped."""
    data, asr = read[0], read[1] if len(read) > 1 else None
    total = data.items - data.quarantined
    plan = plan_of(ensemble, store_url, read, total, seed)
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: translatable(data, asr),
        total,
        lambda payload, number: mix_shard.submit(plan, ensemble, store_url, payload, seed + number),
    )
    publish_examples(ref)
    return shown(ref)
