"""Learning what a pool needs on development data: the coefficients of reranking, as a stage of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import get_run_logger, task

from components.ensembling import pooling, tuning
from components.ensembling.config import PoolingConfig
from components.ensembling.language_model import with_scores
from components.ensembling.offers import Offer
from components.errors import DataError
from components.files import read_json, write_json
from components.models.weights import weights_at
from components.profiling import measure_cost
from components.records import NBest, StageRef, Utterance
from components.storage.stage_plan import StagePlan, content_of, library_versions
from components.storage.stage_writer import opened
from components.storage.store import Store
from tasks.options import NOT_STORED
from tasks.pooling import (
    LIBRARIES,
    MODEL_LIBRARIES,
    Members,
    model_of,
    named_of,
    offered,
    outcome,
    parameters_of,
    slot_of,
)

COEFFICIENTS = "coefficients.json"


@task(name="tune", **NOT_STORED)
def tune(
    config: PoolingConfig,
    refs: Sequence[StageRef],
    data: StageRef,
    store_url: str | None,
    names: Sequence[str],
    seed: int = 0,
) -> StageRef:
    """Learn reranking coefficients on the finished stages ``refs`` over development ``data``; see ``tuned``.

    The metric is the corpus metric that ``config.utility`` names. Raises :class:`DataError` where the data
    have no references.
    """
    members = tuple(zip(names, refs, strict=True))
    named = named_of(config)
    read = {f"{number}:{name}": content_of(ref) for number, (name, ref) in enumerate(members)}
    plan = StagePlan(
        stage="tune",
        version=f"tuning/{pooling.version}",
        parameters={k: v for k, v in parameters_of(config).items() if k != "coefficients"},
        upstream={"data": content_of(data), **read},
        weights=weights_at(named, store_url),
        seed=seed,
        libraries=library_versions((*LIBRARIES, *(MODEL_LIBRARIES if named else ()))),
        models=named,
    )
    with opened(Store(store_url), plan, records=False) as writer:
        if writer.ref is None:
            with slot_of(config), measure_cost() as cost:
                found, used = _learn(plan, config, members, data, store_url)
            writer.seconds, writer.peak_memory_bytes = cost.seconds, cost.peak_memory_bytes
            content = {"coefficients": found.coefficients, "score": found.score, "single": found.single}
            write_json(writer.path / COEFFICIENTS, content)
            writer.seal([COEFFICIENTS], items=used)
            get_run_logger().info(
                "tune: %s %.2f on %d development utterances, %.2f with the best single feature",
                *(config.utility, found.score, used, found.single),
            )
        assert writer.ref is not None
        return writer.ref


def tuned(config: PoolingConfig, ref: StageRef) -> PoolingConfig:
    """``config`` with the coefficients that the stage ``ref`` learned."""
    values = read_json(Path(ref.path) / COEFFICIENTS)
    return PoolingConfig.model_validate({**config.model_dump(), "coefficients": values["coefficients"]})


def _learn(
    plan: StagePlan, config: PoolingConfig, members: Members, data: StageRef, store_url: str | None
) -> tuple[tuning.Tuned, int]:
    heard = all(ref.stage.startswith("asr") for _, ref in members)
    model = model_of(plan, config, store_url)
    weights = config.weights or (1.0,) * len(members)
    offers: list[list[Offer]] = []
    references: list[tuple[str, ...]] = []
    languages: set[str] = set()
    for utterance in offered(data, members):
        given = [
            Offer(name, found.hypotheses, weight)
            for (name, ref), weight in zip(members, weights, strict=True)
            if weight > 0 and isinstance(found := outcome(name, ref, utterance.id), NBest)
        ]
        truth = _truth(utterance, heard)
        if given and truth:
            offers.append(with_scores(given, model) if model is not None else given)
            references.append(truth)
            languages.add(utterance.source_language if heard else utterance.target_language or "und")
    if not offers:
        raise DataError("tune: expected development utterances with references, found none; give others")
    language = languages.pop() if len(languages) == 1 else "und"
    return tuning.tune(offers, references, config, language, plan.seed), len(offers)


def _truth(utterance: Utterance, heard: bool) -> tuple[str, ...]:
    if heard:
        return (utterance.transcript,) if utterance.transcript else ()
    return tuple(reference for reference in utterance.references if reference.strip())
