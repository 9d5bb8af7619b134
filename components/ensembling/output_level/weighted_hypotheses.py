"""N-best lists of several systems for one utterance, and the posterior weight of each hypothesis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from components.records import Hypothesis


@dataclass(frozen=True, slots=True)
class SystemNBest:
    """The hypotheses of one system for one utterance, best first, and the system's weight (at least 0)."""

    system: str
    hypotheses: tuple[Hypothesis, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class WeightedHypothesis:
    """One hypothesis of one system, and its weight; the weights of an utterance sum to 1."""

    system: str
    hypothesis: Hypothesis
    weight: float


class TextScorer(Protocol):
    """Scores whole texts; :mod:`components.models.loaders.language_model` has one."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """Return the log-probability (nats) of each text, its end included."""


def posterior_weights(nbests: Sequence[SystemNBest], n_best: int, scale: float) -> list[WeightedHypothesis]:
    """Weight the first ``n_best`` hypotheses of every system by their posteriors.

    A system's weight is divided among its hypotheses in proportion to ``exp(scale * score)``: the posterior
    within its own list, so that scores of different systems are never compared.

    Args:
        nbests: one list per system, none empty and not all of weight 0.
        n_best: hypotheses of each that take part.
        scale: 0 divides a system's weight evenly.

    Returns:
        The hypotheses, system by system, in the order of their lists.
    """
    total = sum(nbest.weight for nbest in nbests)
    return [
        WeightedHypothesis(nbest.system, hypothesis, nbest.weight / total * posterior)
        for nbest in nbests
        for hypothesis, posterior in _posteriors(nbest.hypotheses[:n_best], scale)
    ]


def _posteriors(hypotheses: Sequence[Hypothesis], scale: float) -> list[tuple[Hypothesis, float]]:
    best = max(hypothesis.score for hypothesis in hypotheses)
    masses = [math.exp(scale * (hypothesis.score - best)) for hypothesis in hypotheses]
    total = sum(masses)
    return [(h, mass / total) for h, mass in zip(hypotheses, masses, strict=True)]


def add_language_model_scores(nbests: Sequence[SystemNBest], model: TextScorer) -> list[SystemNBest]:
    """Add the feature ``lm``, the log-probability under ``model``; equal texts are scored once."""
    texts = list(dict.fromkeys(h.text for nbest in nbests for h in nbest.hypotheses))
    scores = dict(zip(texts, model.score(texts), strict=True))
    return [
        replace(
            nbest,
            hypotheses=tuple(
                h.model_copy(update={"features": {**h.features, "lm": scores[h.text]}})
                for h in nbest.hypotheses
            ),
        )
        for nbest in nbests
    ]
