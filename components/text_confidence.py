"""How sure a model was of a text, and what an estimator says of it."""

from __future__ import annotations

import math

from components.records import Hypothesis, Segment

ESTIMATES = {
    "p_correct": "probability that the transcript has no error, 0 to 1",
    "expected_wer": "expected word error rate of the transcript, percent",
    "p_bad": "probability that the translation is bad, 0 to 1",
    "expected_chrf": "expected chrF of the translation, percent",
}
"""Features that an estimator adds to a hypothesis, and what they are."""


def confidence_of(hypothesis: Hypothesis) -> float | None:
    """exp(mean log-probability of the tokens); None where the score is no log-probability, or of nothing."""
    return _probability(hypothesis.score / hypothesis.n_tokens) if hypothesis.n_tokens else None


def segment_confidence(segment: Segment, hypothesis: Hypothesis) -> float | None:
    """That of a segment where it is known, else that of the whole text."""
    return confidence_of(hypothesis) if segment.mean_log_prob is None else _probability(segment.mean_log_prob)


def estimates_of(hypothesis: Hypothesis) -> dict[str, float]:
    """What an estimator says of the whole text, by name; empty where there was none."""
    return {name: hypothesis.features[name] for name in ESTIMATES if name in hypothesis.features}


def _probability(mean_log_prob: float) -> float | None:
    return math.exp(mean_log_prob) if mean_log_prob <= 0 else None
