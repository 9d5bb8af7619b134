"""A system's weight for one utterance, by how good its best text was estimated to be (kind ``estimate``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.errors import ConfigError

MIN_QUALITY = 0.01
"""Share of its weight that an estimate of no quality leaves a system, so that no pool is without weight."""

ESTIMATES: dict[str, Callable[[float], float]] = {
    "p_correct": lambda probability: probability,
    "expected_wer": lambda percent: 1 - percent / 100,
    "p_bad": lambda probability: 1 - probability,
    "expected_chrf": lambda percent: percent / 100,
}
"""Feature of a text that kind ``estimate`` has annotated -> its quality, 1 at best."""


def weigh_by_estimates(nbests: Sequence[SystemNBest], feature: str) -> list[SystemNBest]:
    """Multiply every system's weight by the estimated quality of its best hypothesis.

    Raises:
        ConfigError: a system's text has no such estimate.
    """
    return [replace(nbest, weight=nbest.weight * _quality(nbest, feature)) for nbest in nbests]


def _quality(nbest: SystemNBest, feature: str) -> float:
    value = nbest.hypotheses[0].features.get(feature) if nbest.hypotheses else None
    if value is None:
        raise ConfigError(
            f"weights_by: expected an estimate {feature} of every text, found none of input {nbest.system}; "
            "put a node of kind estimate, fitted for it, before this one"
        )
    return min(max(ESTIMATES[feature](value), MIN_QUALITY), 1.0)


def require_word_confidences(nbests: Sequence[SystemNBest]) -> None:
    """Refuse texts without calibrated confidences of their words: ConfigError."""
    for nbest in nbests:
        best = nbest.hypotheses[0]
        if len(best.word_confidences) != len(best.text.split()):
            raise ConfigError(
                "confidence calibrated: expected a confidence of every word, found none of the texts of "
                f"input {nbest.system}; put a node of kind estimate, fitted for words, before this one"
            )
