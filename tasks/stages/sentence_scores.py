"""The ``sentence_scores`` stage: the scores of a system's sentences by a model, such as COMET.

It is kept by what was scored: a comparison of finished runs finds the scores that their own runs left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prefect import task
from prefect.client.schemas.objects import State

from components import models, neural_metrics
from components.analysis.texts_to_score import TextsToScore, align_texts
from components.compute.machine import resolve_device_type
from components.compute.profiling import measure_card, measure_cost
from components.files.canonical_json import digest_of
from components.metrics.metric import Metric
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import ModelMetric, Sample, SentenceScore, SentenceScorer
from components.metrics.sentence_scores import STAGE_KIND, StoredScore, digest_sample, index_scores
from components.metrics.table import bind_metric, get_metric, get_model_metric
from components.models.weight_digests import digest_weights
from components.records import Sha256
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader, encode_shard, shard_key
from components.storage.stages.stage_plan import StagePlan, library_versions
from components.storage.stages.whole_stage import StageFiles, compute_once
from components.storage.store import Store
from tasks.task_options import NOT_STORED, as_prefect_state

DEVICE = "auto"
LIBRARIES = ("torch", "transformers")
LEAST, GREATEST, CANDIDATES = 256, 1024, 128
"""Sentences of a shard, after which an interrupted stage goes on: the least, where there are so many, and the
most; one sentence in so many may end a shard."""


@task(name="sentence scores", task_run_name="scores of {metric}", **NOT_STORED)
def score_sentences(
    texts: TextsToScore, metric: str, target_language: str | None, store: Store
) -> StageRef | State[StageRef] | None:
    """Score a stage's texts, sentence by sentence; None where nothing has all that the metric needs."""
    row = get_model_metric(metric)
    aligned = align_texts(texts, target_language, with_references="reference" in row.needs)
    if aligned is None or row.output != aligned.output:
        return None
    samples = row.samples(row.select(aligned.segments))
    return as_prefect_state(score_samples(metric, samples, store)) if samples else None


def score_samples(metric: str, samples: Sequence[Sample], store: Store) -> StageRef:
    """Score samples by the model that ``NAME:MODEL`` names, or return the stage that has their scores.

    Args:
        metric: as a user writes it.
        samples: what the model reads, in order.
        store: where.
    """
    name, reference = split_metric(metric)
    url = store.backend.url
    shards = list(_cut_samples(samples))
    unsharded = StagePlan(
        stage=STAGE_KIND,
        kind=STAGE_KIND,
        version=f"{STAGE_KIND}/{neural_metrics.version}",
        parameters={"metric": name, "device": resolve_device_type(DEVICE)},
        weights=digest_weights(model=models.resolve(str(reference), url)),
        libraries=library_versions(LIBRARIES),
        models={"model": str(reference)},
    )

    fingerprint = unsharded.fingerprint
    keys = [_key_of_samples(fingerprint, shard) for shard in shards]

    def work(folder: Path) -> StageFiles:
        store.backend.uses.note(fingerprint)  # before a shard is looked for
        found = {key: store.find_shard(key) for key in keys}
        if not all(found.values()):
            from tasks.gpu_lock import lock_device  # noqa: PLC0415 - imports torch, which else is not needed

            with lock_device(DEVICE, alone=True), measure_card(DEVICE):
                scorer = _bind(metric, store).bound_scorer
                for key, shard in zip(keys, shards, strict=True):
                    found[key] = found[key] or _score_shard(scorer, shard, key, fingerprint, store)
        return StageFiles([], items=len(samples), shards=[header for key in keys if (header := found[key])])

    return compute_once(store, unsharded.with_shards(keys), work)


def _score_shard(
    scorer: SentenceScorer, samples: Sequence[Sample], key: str, fingerprint: str, store: Store
) -> ShardHeader:
    """Return a shard of scores, which it stores."""
    with measure_cost() as cost:
        lines = _encode_scores(samples, scorer.score(samples))
    header, content = encode_shard(
        lines,
        key=key,
        stage=STAGE_KIND,
        kind=STAGE_KIND,
        fingerprint=fingerprint,
        seconds=round(cost.seconds, 6),
        peak_memory_bytes=cost.peak_memory_bytes,
    )
    return store.add_shard(header, content)


class StagedScorer:
    """Scores by a stage of the store: what was scored before is read from there."""

    def __init__(self, metric: str, store: Store) -> None:
        self._metric, self._store = metric, store
        self._scores: dict[str, SentenceScore] = {}

    def score(self, samples: Sequence[Sample]) -> list[SentenceScore]:
        """Return scores of samples, in order."""
        digests = [digest_sample(sample) for sample in samples]
        if any(digest not in self._scores for digest in digests):
            ref = score_samples(self._metric, samples, self._store)
            self._scores |= index_scores(self._store.localize(ref))
        return [self._scores[digest] for digest in digests]


def bind_staged(metric: str, store: Store) -> Metric:
    """Return the metric of ``NAME`` or ``NAME:MODEL``; what a model scores is kept in the store."""
    if split_metric(metric)[1] is None:
        return get_metric(metric)
    bound = _bind(metric, store)
    return bound.bind(StagedScorer(metric, store), bound.model)


def _bind(metric: str, store: Store) -> ModelMetric:
    bound = bind_metric(metric, store.backend.url, DEVICE)
    assert isinstance(bound, ModelMetric)
    return bound


def _cut_samples(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Cut samples into shards, in order: where a digest says so, so that a few more change a few shards."""
    shard: list[Sample] = []
    for sample in samples:
        shard.append(sample)
        is_candidate = int(digest_sample(sample)[:8], 16) % CANDIDATES == 0
        if (is_candidate and len(shard) >= LEAST) or len(shard) >= GREATEST:
            yield shard
            shard = []
    if shard:
        yield shard


def _key_of_samples(fingerprint: str, samples: Iterable[Sample]) -> Sha256:
    """Return the key of a shard of scores."""
    return shard_key(fingerprint, {"samples": digest_of([digest_sample(sample) for sample in samples])})


def _encode_scores(samples: Sequence[Sample], scores: Iterable[SentenceScore]) -> list[str]:
    """Return the lines of a shard of scores."""
    return [
        StoredScore(sample=digest_sample(sample), value=score.value, spans=score.spans).model_dump_json()
        for sample, score in zip(samples, scores, strict=True)
    ]
