"""How sure a model was of a text, and what an estimator says of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal

from components.number_ranges import NONNEGATIVE, PERCENT, PROBABILITY, Range
from components.records import Hypothesis, Segment

EstimateName = Literal["p_correct", "expected_wer", "p_bad", "expected_chrf"]

ESTIMATES = {
    "p_correct": "probability that the transcript has no error, 0 to 1",
    "expected_wer": "expected word error rate of the transcript, percent",
    "p_bad": "probability that the translation is bad, 0 to 1",
    "expected_chrf": "expected chrF of the translation, percent",
}
"""Features that an estimator adds to a hypothesis, and what they are."""
ESTIMATE_RANGES: dict[str, Range] = {
    "p_correct": PROBABILITY,
    "expected_wer": NONNEGATIVE,
    "p_bad": PROBABILITY,
    "expected_chrf": PERCENT,
}
QUALITIES: dict[str, Callable[[float], float]] = {
    "p_correct": lambda probability: probability,
    "p_bad": lambda probability: 1 - probability,
    "expected_wer": lambda percent: 1 - percent / 100,
    "expected_chrf": lambda percent: percent / 100,
}
"""Estimate -> the quality that it says, 1 at best; the first that texts have counts where none is named."""


def confidence_of(hypothesis: Hypothesis) -> float | None:
    """Return exp(mean log-probability of tokens); None of none, or a score that is no log-probability."""
    return _probability(hypothesis.score / hypothesis.n_tokens) if hypothesis.n_tokens else None


def segment_confidence(segment: Segment, hypothesis: Hypothesis) -> float | None:
    """Return that of a segment where it is known, else that of the whole text."""
    return confidence_of(hypothesis) if segment.mean_log_prob is None else _probability(segment.mean_log_prob)


def estimates_of(hypothesis: Hypothesis) -> dict[str, float]:
    """Return what an estimator says of the whole text, by name; empty where there was none."""
    return {name: hypothesis.features[name] for name in ESTIMATES if name in hypothesis.features}


def quality_of(hypothesis: Hypothesis, name: str) -> float | None:
    """Return the quality of a text by the estimate ``name``, 1 at best; None where it has none."""
    return QUALITIES[name](hypothesis.features[name]) if name in hypothesis.features else None


def find_common_estimate(hypotheses: Iterable[Hypothesis]) -> str | None:
    """Return the first of :data:`QUALITIES` that all texts have."""
    texts = list(hypotheses)
    return next((name for name in QUALITIES if all(name in text.features for text in texts)), None)


def _probability(mean_log_prob: float) -> float | None:
    return math.exp(mean_log_prob) if mean_log_prob <= 0 else None
