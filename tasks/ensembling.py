"""The ``mt`` stage of an ensemble: source texts become the translations that all members agree on."""

from __future__ import annotations

from prefect import task
from prefect.client.schemas.objects import State

from components.device import pick_device, seed_everything
from components.ensembling import building
from components.ensembling.mapped import DROPPED
from components.ensembling.mixing import Ensemble
from components.models.weights import weights_at
from components.records import StageRef
from components.storage.reader import hypotheses
from components.storage.stage_plan import StagePlan, library_versions, read_by
from components.storage.store import Store
from components.translation.translator import Translator
from tasks import learning
from tasks.artifacts import publish_examples
from tasks.building import component_of
from tasks.options import NOT_STORED, shown, transient
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot
from tasks.translation import LIBRARIES, translatable

ELSEWHERE = {"learn", "dev", "dev_sentences", "positive", "negative"}
"""Settings of the mixing that the stage of what is learned and the weights stand for."""


def _translator(
    plan: StagePlan, ensemble: Ensemble, learned: StageRef | None, store_url: str | None
) -> Translator:
    def build() -> Translator:
        found = None if learned is None else Store(store_url).at_hand(learned)
        n_members = len(building.members_of(ensemble.members, ensemble.mixing))
        combine = learning.combiner(ensemble.mixing, n_members, found)
        return building.build(ensemble, ensemble.members, ensemble.mixing, combine, store_url)

    return component_of(plan, ensemble, store_url, build)


@task(name="members", **NOT_STORED)
def admit(ensemble: Ensemble, store_url: str | None) -> None:
    """Load the members and refuse what cannot be mixed, with its name. ConfigError, ModelError."""
    with device_slot(ensemble.device):
        building.build(ensemble, ensemble.members, ensemble.mixing, store=store_url)


@task(name="mix shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def mix_shard(
    plan: StagePlan,
    ensemble: Ensemble,
    learned: StageRef | None,
    store_url: str | None,
    payload: str,
    seed: int,
) -> Shard:
    """Translate the utterances of one packed shard with all members."""
    with device_slot(ensemble.device):
        translator = _translator(plan, ensemble, learned, store_url)
        seed_everything(seed)
        return compute("mt", payload, translator.translate)


def plan_of(
    ensemble: Ensemble,
    learned: StageRef | None,
    store_url: str | None,
    read: tuple[StageRef, ...],
    total: int,
    seed: int,
) -> StagePlan:
    """What decides the outputs of the stage. Resolves every member, loads nothing."""
    names = building.members_of(ensemble.members, ensemble.mixing)
    named = {f"member{n}": name.removeprefix(building.DROPOUT) for n, name in enumerate(names, 1)}
    parameters = ensemble.model_dump(
        mode="json", exclude={"device", "examples", "members", "model", "mixing"}
    )
    parameters["thinned"] = [name.startswith(building.DROPOUT) for name in names]
    parameters["mixing"] = ensemble.mixing.model_dump(mode="json", exclude=ELSEWHERE)
    parameters["device"] = pick_device(ensemble.device).type
    return StagePlan(
        stage="mt",
        version=f"ensemble/{building.VERSION}.{Translator.version}",
        parameters=parameters,
        upstream=read_by(*read, *([] if learned is None else [learned])),
        weights=weights_at(named, store_url),
        seed=seed,
        shard_size=shard_size(total),
        libraries=library_versions(LIBRARIES),
        models=named,
    )


def dropped(ref: StageRef) -> list[str]:
    """What members of other vocabularies lost: a line for each, of a finished stage."""
    lost: dict[str, list[float]] = {}
    for found in hypotheses(ref):
        for name, value in found.best.features.items():
            if name.startswith(DROPPED):
                lost.setdefault(name.removeprefix(DROPPED), []).append(value)
    return [
        f"{ref.stage}: {name} gave {100 * sum(each) / len(each):.1f}% of its probability to pieces outside "
        f"the shared vocabulary (mean over {len(each)} utterances)"
        for name, each in lost.items()
    ]


@task(name="mt", **NOT_STORED)
def mix(
    ensemble: Ensemble,
    learned: StageRef | None,
    read: tuple[StageRef, ...],
    store_url: str | None,
    seed: int,
) -> StageRef | State[StageRef]:
    """Translate what the stages ``read`` give (data, or data and asr), or go on where a run stopped."""
    data, asr = read[0], read[1] if len(read) > 1 else None
    total = data.items - data.quarantined
    plan = plan_of(ensemble, learned, store_url, read, total, seed)
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: translatable(data, asr),
        total,
        lambda payload, number: mix_shard.submit(plan, ensemble, learned, store_url, payload, seed + number),
    )
    publish_examples(ref)
    return shown(ref)
