"""The ``refine-N`` stages: one per round, each reading the rounds before it; then the curve over rounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State

from components import metrics, models
from components.device import pick_device, seed_everything
from components.records import NBest, Outcome, Score, StageRef, Utterance
from components.refining.config import RefineConfig
from components.refining.rounds import Refiner
from tasks.artifacts import publish_examples
from tasks.keys import StagePlan, library_versions, read_by, weights_of
from tasks.options import NOT_STORED, shown, transient
from tasks.reading import StoredOutcomes, best_texts, hypotheses, utterances
from tasks.shards import Shard, compute, run_shards, shard_size
from tasks.slots import device_slot
from tasks.store import Store
from tasks.translation import translatable

LIBRARIES = ("torch", "numpy", "transformers", "sentencepiece", "sacrebleu")


@lru_cache(maxsize=1)
def _refiner(config: RefineConfig, store_url: str | None) -> Refiner:
    return Refiner(config, store_url)


@lru_cache(maxsize=64)
def _outcomes(ref: StageRef, store_url: str | None) -> StoredOutcomes:
    return StoredOutcomes(Store(store_url).at_hand(ref))


@task(name="refine shard", retries=2, retry_delay_seconds=1, retry_condition_fn=transient, **NOT_STORED)
def refine_shard(
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
        return _refiner(config, store_url).round(items, history, left)

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
    weights = {"model": models.resolve(config.model, store_url)}
    if config.gate in ("forward", "round_trip", "fluency"):
        weights["gate"] = models.resolve(config.gate_model, store_url)
    above = [data, *([asr] if asr else []), *rounds]
    plan = StagePlan(
        stage=f"refine-{number}",
        version=f"refining/{Refiner.version}",
        parameters=config.model_dump(mode="json", exclude={"device"})
        | {"device": pick_device(config.device).type, "target": target}
        | ({"left": left} if config.method == "diffusion" else {}),
        upstream=read_by(*above),
        weights=weights_of(**weights),
        seed=seed,
        shard_size=shard_size(items),
        libraries=library_versions(LIBRARIES),
    )
    ref = run_shards(
        Store(store_url),
        plan,
        lambda: _drafted(data, asr, rounds[0], target),
        items,
        lambda payload, shard: refine_shard.submit(config, rounds, left, store_url, payload, seed + shard),
    )
    publish_examples(ref)
    return shown(ref)


def all_stopped(ref: StageRef) -> bool:
    """Whether no utterance of a round goes on."""
    return all(outcome.best.features.get("stopped") for outcome in hypotheses(ref))


@task(name="rounds", **NOT_STORED)
def score_rounds(
    data: StageRef, rounds: tuple[StageRef, ...], target: str | None, reported: str
) -> dict[str, Score]:
    """The reported metric of every round, and the percentage of changes for the worse."""
    known = [u for u in utterances(data) if u.references]
    if not known:
        return {}
    language = target or known[0].target_language or "und"
    references = {u.id: u.references for u in known}
    texts = [{k: v for k, v in best_texts(ref).items() if k in references} for ref in rounds]
    found: dict[str, Score] = {}
    for number, one in enumerate(texts):
        score = metrics.translation_scores(references, one, language=language, n_total=data.items)[reported]
        found[f"{reported}_round_{number}"] = score.model_copy(update={"name": f"{reported}_round_{number}"})
    values = [metrics.sentence_scores(references, one, language=language) for one in texts]
    changed = worse = 0
    shifts: dict[str, float] = {}
    for before, after in pairwise(values):
        for key in before.keys() & after.keys():
            change = after[key][reported] - before[key][reported]
            changed += change != 0
            worse += change < 0
            shifts[key] = shifts.get(key, 0.0) + change
    found["harm_rate"] = Score(
        name="harm_rate",
        value=100.0 * worse / changed if changed else 0.0,
        higher_is_better=False,
        n=changed,
        n_total=len(values[0]) * (len(rounds) - 1),
        signature=f"rounds that lowered sentence {reported}, of the utterance-rounds that changed it",
    )
    _publish(rounds, found, texts, shifts)
    return found


def _publish(
    rounds: tuple[StageRef, ...],
    found: dict[str, Score],
    texts: list[dict[str, str]],
    shifts: dict[str, float],
) -> None:
    """The curve over rounds, and the examples that changed most, as tables of the run."""
    curve = [{"metric": s.name, "value": round(s.value, 2), "n": s.n} for s in found.values()]
    create_table_artifact(table=curve, key="rounds", description=f"{len(rounds) - 1} rounds")
    most = sorted(shifts, key=lambda key: -abs(shifts[key]))[:20]
    rows = [
        {"utterance": key, "change": round(shifts[key], 1), "draft": texts[0][key], "refined": texts[-1][key]}
        for key in most
        if texts[0][key] != texts[-1][key]
    ]
    if rows:
        create_table_artifact(table=rows, key="changed-most", description="examples that changed most")
