"""Finished outputs of several systems -> one output per utterance. The methods are rows of ``METHODS``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.minimum_bayes_risk import rank_by_expected_utility
from components.ensembling.output_level.reranking import rerank
from components.ensembling.output_level.rover import combine_by_rover
from components.ensembling.output_level.weighted_hypotheses import (
    SystemNBest,
    TextScorer,
    add_language_model_scores,
)
from components.errors import ConfigError
from components.records import Hypothesis, NBest, Outcome, Quarantined

CombinationMethod = Callable[[Sequence[SystemNBest], SystemCombinationConfig, str], tuple[Hypothesis, ...]]

METHODS: dict[str, CombinationMethod] = {
    "rover": lambda offers, config, language: (combine_by_rover(offers, config, language),),
    "minimum_bayes_risk": rank_by_expected_utility,
    "reranking": rerank,
}
"""Name -> (offers, config, language of the texts) -> hypotheses, best first."""


def check_combination(
    config: SystemCombinationConfig, systems: Sequence[str], *, learned: bool = False
) -> None:
    """Raise :class:`ConfigError` in one line where ``config`` does not fit these systems.

    ``learned``: the coefficients of reranking come from development data.
    """
    if not systems:
        raise ConfigError("pool: expected at least one system, found none; name the members")
    if len(set(systems)) != len(systems):
        raise ConfigError(f"pool: expected a different name for each system, found {', '.join(systems)}")
    weights = config.weights
    if weights and len(weights) != len(systems):
        raise ConfigError(
            f"weights: expected one for each of the {len(systems)} systems ({', '.join(systems)}), "
            f"found {len(weights)}"
        )
    if any(not math.isfinite(weight) or weight < 0 for weight in weights) or (weights and not any(weights)):
        raise ConfigError(f"weights: expected numbers of at least 0, not all 0, found {list(weights)}")
    if config.method == "reranking" and not config.coefficients and not learned:
        raise ConfigError(
            "coefficients: expected weights of features for reranking, found none; learn them on "
            "development data"
        )


def combine_outputs(
    utterance_id: str,
    outcomes: Mapping[str, Outcome | None],
    config: SystemCombinationConfig,
    language: str,
    language_model: TextScorer | None = None,
) -> Outcome:
    """One n-best list from what each system made of an utterance.

    ``outcomes`` holds every system in its order; those that have none (None or quarantined), or whose weight
    is 0, are left out and the others go on: the feature ``systems`` says how many took part. Where none is
    left the utterance is quarantined. ``model`` is the language model that ``config`` names, where it does.
    """
    weights = config.weights or (1.0,) * len(outcomes)
    available = [
        (name, outcome, weight)
        for (name, outcome), weight in zip(outcomes.items(), weights, strict=True)
        if isinstance(outcome, NBest) and weight > 0
    ]
    if not available:
        missing = "; ".join(f"{name}: {_reason_missing(outcome)}" for name, outcome in outcomes.items())
        return Quarantined(
            utterance_id=utterance_id,
            stage="pool",
            reason="no system",
            detail=f"expected at least one system with an output, found none ({missing})"[:2000],
        )
    nbests = [SystemNBest(name, outcome.hypotheses, weight) for name, outcome, weight in available]
    if language_model is not None:
        nbests = add_language_model_scores(nbests, language_model)
    best = METHODS[config.method](nbests, config, language)[: config.n_best]
    n_systems = {"systems": float(len(nbests))}
    hypotheses = tuple(h.model_copy(update={"features": {**h.features, **n_systems}}) for h in best)
    return NBest(utterance_id=utterance_id, hypotheses=hypotheses, language=available[0][1].language)


def _reason_missing(outcome: Outcome | None) -> str:
    if isinstance(outcome, Quarantined):
        return outcome.reason
    return "no output" if outcome is None else "weight 0"
