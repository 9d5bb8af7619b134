"""Hallucinated words: transcripts of utterances in which nothing is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.metrics.bootstrap import FloatArray, Interval
from components.metrics.error_rate import normalize_segments, normalizer_signature
from components.metrics.metric import Metric, Segments

if TYPE_CHECKING:
    from components.text_normalization import Normalizer


@dataclass(frozen=True)
class Hallucinations(Metric):
    """Utterances with an empty reference that got words; statistics are that (0 or 1) and how many words.

    ``normalizer`` is that of all languages; if None every utterance passes the one of its language.
    """

    name = "hallucinations"
    label = "hallucinations"
    output = "transcript"
    needs = frozenset({"reference"})
    higher_is_better = False
    ceiling = 0.0
    normalizer: Normalizer | None = None

    def score(self, sums: FloatArray) -> FloatArray:
        """Counts (...) of sums (..., 2)."""
        return np.asarray(sums[..., 0])

    def interval(self, rows: FloatArray) -> Interval | None:
        """None: it is a count of these utterances, not an estimate."""
        del rows
        return None

    def select(self, segments: Segments) -> Segments:
        """The utterances whose reference is empty after normalization."""
        references, _ = normalize_segments(segments, self.normalizer)
        return segments.subset([n for n, reference in enumerate(references) if not reference])

    def statistics(self, segments: Segments) -> FloatArray:
        """(n, 2): whether there are words, and how many."""
        _, hypotheses = normalize_segments(segments, self.normalizer)
        counts = [(bool(text), len(text.split())) for text in hypotheses]
        return np.asarray(counts, np.float64).reshape(-1, 2)

    def signature(self, segments: Segments) -> str:
        """The normalizers of the languages."""
        return f"count|norm:{normalizer_signature(segments, self.normalizer)}"

    def score_signature(self, segments: Segments, rows: FloatArray) -> str:
        """How many references are empty, and how many words were inserted."""
        normalizers = normalizer_signature(segments, self.normalizer)
        return f"count|empty references:{len(rows)}|inserted words:{int(rows[:, 1].sum())}|norm:{normalizers}"
