"""What the members of a pool offer for one utterance, and how their votes are shared out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from components.errors import ConfigError, DataError
from components.records import Hypothesis


@dataclass(frozen=True, slots=True)
class SystemNBest:
    """The hypotheses of one system for one utterance, best first, and the weight of its vote."""

    system: str
    hypotheses: tuple[Hypothesis, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class WeightedHypothesis:
    """One hypothesis and its share of the vote; the shares of an utterance sum to 1."""

    system: str
    hypothesis: Hypothesis
    weight: float


class TextScorer(Protocol):
    """Scores whole texts; :mod:`components.ensembling.output_level.language_model` has one."""

    def score(self, texts: Sequence[str]) -> list[float]:
        """Log-probabilities (nats) of the texts, ends included."""
        ...


def posterior_weights(nbests: Sequence[SystemNBest], n_best: int, scale: float) -> list[WeightedHypothesis]:
    """The ``n_best`` first hypotheses of every offer, in order, with their shares of the vote.

    A system's weight is shared out over its hypotheses in proportion to ``exp(scale * score)``: the
    posterior within its own list, so that scores of different systems are never compared. ``scale`` 0
    shares evenly. Raises :class:`DataError` for an empty list, :class:`ConfigError` for weights that
    are negative or all zero.
    """
    if not nbests:
        raise DataError("expected the hypotheses of at least one system, found none; check the members")
    for nbest in nbests:
        if not nbest.hypotheses:
            raise DataError(
                f"system {nbest.system}: expected at least one hypothesis, found an empty n-best list; "
                "run this member again or leave it out"
            )
        if not (math.isfinite(nbest.weight) and nbest.weight >= 0):
            raise ConfigError(f"weights: expected at least 0 for {nbest.system}, found {nbest.weight}")
    total = sum(offer.weight for offer in nbests)
    if total == 0:
        names = ", ".join(offer.system for offer in nbests)
        raise ConfigError(f"weights: expected a positive one among {names}, found only zeros")
    return [
        WeightedHypothesis(offer.system, hypothesis, offer.weight / total * share)
        for offer in nbests
        for hypothesis, share in _posteriors(offer.hypotheses[:n_best], scale)
    ]


def _posteriors(hypotheses: Sequence[Hypothesis], scale: float) -> list[tuple[Hypothesis, float]]:
    best = max(hypothesis.score for hypothesis in hypotheses)
    masses = [math.exp(scale * (hypothesis.score - best)) for hypothesis in hypotheses]
    return [(h, mass / sum(masses)) for h, mass in zip(hypotheses, masses, strict=True)]


def add_language_model_scores(nbests: Sequence[SystemNBest], model: TextScorer) -> list[SystemNBest]:
    """The offers with the feature ``lm`` on every hypothesis; equal texts are scored once."""
    texts = list(dict.fromkeys(h.text for nbest in nbests for h in nbest.hypotheses))
    scores = dict(zip(texts, model.score(texts), strict=True))
    return [
        replace(
            offer,
            hypotheses=tuple(
                h.model_copy(update={"features": {**h.features, "lm": scores[h.text]}})
                for h in offer.hypotheses
            ),
        )
        for offer in nbests
    ]
