"""Scores of sentences as shards: what a model has scored once is read from there by whoever asks again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from components.files.canonical_json import digest_of
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import ErrorSpan, Sample, SentenceScore
from components.records import Record, Sha256
from components.run_record import StageRef
from components.storage.shards.shard import shard_key
from components.storage.stages.reader import read_lines_of

STAGE_KIND = "sentence_scores"
"""The kind of the stages that hold them."""
LEAST, GREATEST, CANDIDATES = 256, 1024, 128
"""Sentences of a shard, after which an interrupted stage goes on: the least, where there are so many, and the
most; one sentence in so many may end a shard."""


class StoredScore(Record):
    """The score of one sentence.

    Attributes:
        sample: digest of all that the model read of it.
        value: in the model's own unit.
        spans: the errors that it marks.
    """

    sample: Sha256
    value: float
    spans: tuple[ErrorSpan, ...] = Field(default=())


def name_stage(node: str, metric: str) -> str:
    """Return the name of the stage of a node's scores in its run, by ``NAME`` or ``NAME:MODEL``."""
    return f"{node}-{split_metric(metric)[0]}"


def digest_sample(sample: Sample) -> str:
    """Return the digest of what a model reads of a sentence."""
    return digest_of([sample.hypothesis, sample.source, list(sample.references)])


def cut_samples(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
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


def key_of_samples(fingerprint: str, samples: Iterable[Sample]) -> Sha256:
    """Return the key of a shard of scores."""
    return shard_key(fingerprint, {"samples": digest_of([digest_sample(sample) for sample in samples])})


def encode_scores(samples: Sequence[Sample], scores: Iterable[SentenceScore]) -> list[str]:
    """Return the lines of a shard of scores."""
    return [
        StoredScore(sample=digest_sample(sample), value=score.value, spans=score.spans).model_dump_json()
        for sample, score in zip(samples, scores, strict=True)
    ]


def index_scores(ref: StageRef) -> dict[str, SentenceScore]:
    """Digest of a sample -> its score, of a finished stage."""
    rows = map(StoredScore.model_validate_json, read_lines_of(ref))
    return {row.sample: SentenceScore(row.value, row.spans) for row in rows}
