"""Scores of sentences as files: what a model has scored once is read from there by whoever asks again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import Field

from components.files.canonical_json import digest_of
from components.files.files import write_bytes
from components.metrics.metric_names import split_metric
from components.metrics.model_metric import ErrorSpan, Sample, SentenceScore, SentenceScorer
from components.records import Record, Sha256

STAGE_KIND = "sentence_scores"
"""The kind of the stages that hold them."""
SCORES = "scores.jsonl"
CHUNK = 256
"""Sentences after which an interrupted stage goes on."""


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


def read_scores(folder: Path) -> Iterator[StoredScore]:
    """Yield the scores in a stage's folder, in order."""
    with (folder / SCORES).open("rb") as file:
        yield from map(StoredScore.model_validate_json, file)


def write_scores(folder: Path, rows: Iterable[StoredScore], name: str = SCORES) -> None:
    """Write scores, a line each, durably."""
    write_bytes(folder / name, "".join(f"{row.model_dump_json()}\n" for row in rows).encode())


def score_in_chunks(scorer: SentenceScorer, samples: Sequence[Sample], work: Path) -> list[StoredScore]:
    """Score samples, going on with what an interrupted attempt left in ``work``."""
    work.mkdir(exist_ok=True)
    rows: list[StoredScore] = []
    for first in range(0, len(samples), CHUNK):
        part = f"{first}.jsonl"
        if not (work / part).is_file():
            batch = samples[first : first + CHUNK]
            scored = zip(batch, scorer.score(batch), strict=True)
            new = [StoredScore(sample=digest_sample(s), value=r.value, spans=r.spans) for s, r in scored]
            write_scores(work, new, part)
        with (work / part).open("rb") as file:
            rows += map(StoredScore.model_validate_json, file)
    return rows


def index_scores(folder: Path) -> dict[str, SentenceScore]:
    """Digest of a sample -> its score, of a stage's folder."""
    return {row.sample: SentenceScore(row.value, row.spans) for row in read_scores(folder)}
