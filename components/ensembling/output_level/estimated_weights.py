"""A system's weight for one utterance, by how good its best text was estimated to be (kind ``estimate``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.errors import ConfigError
from components.text.text_confidence import quality_of

MIN_QUALITY = 0.01
"""Share of its weight that an estimate of no quality leaves a system, so that no pool is without weight."""


def weigh_by_estimates(nbests: Sequence[SystemNBest], feature: str) -> list[SystemNBest]:
    """Multiply every system's weight by the estimated quality of its best hypothesis.

    Raises:
        ConfigError: a system's text has no such estimate.
    """
    return [replace(nbest, weight=nbest.weight * _quality(nbest, feature)) for nbest in nbests]


def _quality(nbest: SystemNBest, feature: str) -> float:
    quality = quality_of(nbest.hypotheses[0], feature)
    if quality is None:
        raise ConfigError(
            f"weights_by: expected an estimate {feature} of every text, found none of input {nbest.system}; "
            "put a node of kind estimate, fitted for it, before this one"
        )
    return min(max(quality, MIN_QUALITY), 1.0)


def require_word_confidences(nbests: Sequence[SystemNBest]) -> None:
    """Refuse texts without calibrated confidences of their words: ConfigError."""
    for nbest in nbests:
        best = nbest.hypotheses[0]
        if len(best.word_confidences) != len(best.text.split()):
            raise ConfigError(
                "confidence calibrated: expected a confidence of every word, found none of the texts of "
                f"input {nbest.system}; put a node of kind estimate, fitted for words, before this one"
            )
