"""Scores of sentences as shards: what a model has scored once is read from there by whoever asks again."""

from __future__ import annotations

from pydantic import Field

from components.files.canonical_json import digest_of
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import ErrorSpan, Sample, SentenceScore
from components.records import Record, Sha256
from components.run_record import StageRef
from components.storage.stages.reader import read_lines_of

STAGE_KIND = "sentence_scores"
"""The kind of the stages that hold them."""


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


def index_scores(ref: StageRef) -> dict[str, SentenceScore]:
    """Digest of a sample -> its score, of a finished stage."""
    rows = map(StoredScore.model_validate_json, read_lines_of(ref))
    return {row.sample: SentenceScore(row.value, row.spans) for row in rows}
