"""How sure a model was of a text: the geometric mean of its tokens' probabilities, 0 to 1."""

from __future__ import annotations

import math

from components.records import Hypothesis, Segment


def confidence_of(hypothesis: Hypothesis) -> float | None:
    """exp(mean log-probability of the tokens); None where the score is no log-probability, or of nothing."""
    return _probability(hypothesis.score / hypothesis.n_tokens) if hypothesis.n_tokens else None


def segment_confidence(segment: Segment, hypothesis: Hypothesis) -> float | None:
    """That of a segment where it is known, else that of the whole text."""
    return confidence_of(hypothesis) if segment.mean_log_prob is None else _probability(segment.mean_log_prob)


def _probability(mean_log_prob: float) -> float | None:
    return math.exp(mean_log_prob) if mean_log_prob <= 0 else None
