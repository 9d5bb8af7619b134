"""The ``sentence_scores`` stage: the scores of a system's sentences by a model, such as COMET.

It is kept by what was scored: a comparison of finished runs finds the scores that their own runs left.
"""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import models, neural_metrics
from components.canonical_json import digest_of
from components.machine import resolve_device_type
from components.metrics.metric import Metric, Segments
from components.metrics.model_metric import ModelMetric, split_metric
from components.metrics.table import get_model_metric
from components.models.weight_digests import digest_weights
from components.neural_metrics.stored_scores import (
    SCORES,
    StoredScorer,
    digest_sample,
    index_scores,
    score_in_chunks,
    write_scores,
)
from components.run_record import StageRef
from components.storage.stage_plan import StagePlan, library_versions
from components.storage.store import Store
from components.storage.whole_stage import WORK, Product, compute_once
from tasks.gpu_lock import lock_device
from tasks.stages.texts_to_score import TextsToScore, align_texts
from tasks.task_options import NOT_STORED, as_prefect_state

KIND = "sentence_scores"
DEVICE = "auto"
LIBRARIES = ("torch", "transformers")


def name_stage(node: str, metric: str) -> str:
    """Return the name of the stage of a node's scores in its run, of ``NAME:MODEL``."""
    return f"{node}-{split_metric(metric)[0]}"


@task(name="sentence scores", task_run_name="scores of {metric}", **NOT_STORED)
def score_sentences(
    texts: TextsToScore, metric: str, target_language: str | None, store_url: str | None
) -> StageRef | State[StageRef] | None:
    """Score a stage's texts, sentence by sentence; None where nothing has all that the metric needs."""
    row = get_model_metric(metric)
    aligned = align_texts(texts, target_language, with_references="reference" in row.needs)
    if aligned is None or row.output != aligned.output:
        return None
    ref = score_segments(metric, row.select(aligned.segments), Store(store_url))
    return None if ref is None else as_prefect_state(ref)


def score_segments(metric: str, selected: Segments, store: Store) -> StageRef | None:
    """Score segments by the model that ``NAME:MODEL`` names, or return the stage that has the scores.

    Args:
        metric: as a user writes it.
        selected: what the metric can score.
        store: where.
    """
    if not selected.ids:
        return None
    row = get_model_metric(metric)
    samples = row.samples(selected)
    reference = str(split_metric(metric)[1])
    plan = StagePlan(
        stage=KIND,
        kind=KIND,
        version=f"{KIND}/{neural_metrics.version}",
        parameters={"metric": row.name, "device": resolve_device_type(DEVICE)},
        inputs={"samples": digest_of([[*selected.ids], [digest_sample(sample) for sample in samples]])},
        weights=digest_weights(model=models.resolve(reference, store.backend.url)),
        libraries=library_versions(LIBRARIES),
        models={"model": reference},
    )

    def work(folder: Path) -> Product:
        from components.neural_metrics.factory import bind_metric  # noqa: PLC0415 - imports transformers

        bound = bind_metric(metric, store.backend.url, DEVICE)
        assert isinstance(bound, ModelMetric)
        with lock_device(DEVICE):
            rows = score_in_chunks(bound.bound_scorer, selected.ids, samples, folder / WORK)
        write_scores(folder, rows)
        return Product([SCORES], items=len(rows))

    return compute_once(store, plan, work)


def bind_stored(metric: str, stages: list[StageRef], store: Store) -> Metric:
    """Return the metric of ``NAME`` or ``NAME:MODEL``, which reads stored scores where there are some."""
    from components.neural_metrics.factory import bind_metric  # noqa: PLC0415 - imports transformers

    bound = bind_metric(metric, store.backend.url, DEVICE)
    if not isinstance(bound, ModelMetric):
        return bound
    stored = index_scores(Path(store.localize(ref).path) for ref in stages)
    return bound.bind(StoredScorer(bound.bound_scorer, stored), bound.model)
