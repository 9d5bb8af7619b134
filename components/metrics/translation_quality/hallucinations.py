"""Hallucinations: what a recognizer writes where nothing is said.

Utterances whose reference is empty after normalization (``text: ""`` in a manifest) hold no speech: noise,
music, silence. Error rates leave them out, since nothing can be divided by no words; these two count them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.metrics.error_rates.error_rate import normalize_segments, normalizer_signature
from components.metrics.metric import Metric, Segments
from components.metrics.normalizers import BY_LANGUAGE
from components.metrics.statistics.bootstrap import FloatArray, Interval
from components.metrics.statistics.proportions import wilson_interval
from components.text.languages import without_spaces


@dataclass(frozen=True)
class _OfNonSpeech(Metric):
    """A metric of utterances in which nothing is said."""

    output = "transcript"
    needs = frozenset({"reference"})
    higher_is_better = False
    ceiling = 0.0
    is_utility = False
    normalizer: str = BY_LANGUAGE

    def select(self, segments: Segments) -> Segments:
        """Return the utterances whose reference is empty after normalization."""
        references, _ = normalize_segments(segments, self.normalizer)
        return segments.subset([n for n, reference in enumerate(references) if not reference])

    def count_words(self, segments: Segments) -> list[int]:
        """Return words of each output after normalization; characters in languages written without spaces."""
        _, hypotheses = normalize_segments(segments, self.normalizer)
        pairs = zip(map(str.split, hypotheses), segments.languages, strict=True)
        return [len("".join(words) if without_spaces(code) else words) for words, code in pairs]

    def signature(self, segments: Segments) -> str:
        """Return the normalizers of the languages."""
        return f"{self.name}|words or characters|norm:{normalizer_signature(segments, self.normalizer)}"


@dataclass(frozen=True)
class Hallucinations(_OfNonSpeech):
    """Percentage of the utterances without speech that got words; statistics are that (0 or 1), 1, words.

    The interval is Wilson's, not a bootstrap's, so that none of n says how many there may still be: 0 of 300
    is 0 to 1.3% (by the rule of three, which is one-sided, up to 1%).
    """

    name = "hallucinations"
    rank = 30
    label = "hallucinations"

    def score(self, sums: FloatArray) -> FloatArray:
        """Return percentages (...) of sums (..., 3)."""
        return 100.0 * (sums[..., 0] / np.maximum(sums[..., 1], 1))

    def interval(self, rows: FloatArray, resampled_scores: FloatArray) -> Interval | None:
        """Return Wilson's 95% interval."""
        share = wilson_interval(int(rows[:, 0].sum()), len(rows))
        return share and (100.0 * share[0], 100.0 * share[1])

    def statistics(self, segments: Segments) -> FloatArray:
        """Return (n, 3): whether there are words, 1, and how many words."""
        counts = [(bool(words), 1, words) for words in self.count_words(segments)]
        return np.asarray(counts, np.float64).reshape(-1, 3)

    def score_signature(self, scope: Segments, sums: FloatArray, apart: int) -> str:
        """Return how many utterances without speech got words, and how many words."""
        normalizers = normalizer_signature(scope, self.normalizer)
        got, n, words = map(int, sums)
        return f"{self.name}|{got} of {n} without speech|words:{words}|norm:{normalizers}|interval:wilson"


@dataclass(frozen=True)
class HallucinatedWords(_OfNonSpeech):
    """Words per minute of audio without speech; statistics are words and seconds.

    Where there are none there is no interval: words come in sentences, so their number says little of how
    rare they are; the rate of utterances (:class:`Hallucinations`) has one.
    """

    name = "hallucinated_words"
    rank = 31
    label = "hallucinated words/min"
    needs = frozenset({"reference", "audio"})

    def score(self, sums: FloatArray) -> FloatArray:
        """Return words per minute (...) of sums (..., 2)."""
        return 60.0 * (sums[..., 0] / np.maximum(sums[..., 1], 1e-9))

    def interval(self, rows: FloatArray, resampled_scores: FloatArray) -> Interval | None:
        """Return 95% bootstrap interval over utterances; None where no words are."""
        return super().interval(rows, resampled_scores) if rows[:, 0].any() else None

    def select(self, segments: Segments) -> Segments:
        """Return the utterances without speech whose audio is there."""
        silent = super().select(segments)
        return silent.subset([n for n, audio in enumerate(silent.audio) if audio is not None])

    def statistics(self, segments: Segments) -> FloatArray:
        """Return (n, 2): words and seconds."""
        recordings = segments.audio or (None,) * len(segments)
        seconds = [0.0 if audio is None else audio.seconds for audio in recordings]
        counts = list(zip(self.count_words(segments), seconds, strict=True))
        return np.asarray(counts, np.float64).reshape(-1, 2)

    def score_signature(self, scope: Segments, sums: FloatArray, apart: int) -> str:
        """Return how many words there are in how many seconds."""
        words, seconds = sums
        normalizers = normalizer_signature(scope, self.normalizer)
        return f"{self.name}|words:{int(words)}|seconds:{seconds:.1f}|norm:{normalizers}"
