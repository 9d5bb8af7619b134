"""Finished outputs of several systems -> one output per utterance. The methods are rows of ``METHODS``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from components.ensembling.config import PoolingConfig
from components.ensembling.minimum_bayes_risk import minimum_bayes_risk
from components.ensembling.offers import LanguageModel, Offer, with_scores
from components.ensembling.reranking import rerank
from components.ensembling.rover import rover
from components.errors import ConfigError
from components.records import Hypothesis, NBest, Outcome, Quarantined

Method = Callable[[Sequence[Offer], PoolingConfig, str], tuple[Hypothesis, ...]]

METHODS: dict[str, Method] = {
    "rover": lambda offers, config, language: (rover(offers, config, language),),
    "minimum_bayes_risk": minimum_bayes_risk,
    "reranking": rerank,
}
"""Name -> (offers, config, language of the texts) -> hypotheses, best first."""


def check(config: PoolingConfig, systems: Sequence[str], *, learned: bool = False) -> None:
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


def pool(
    utterance_id: str,
    outcomes: Mapping[str, Outcome | None],
    config: PoolingConfig,
    language: str,
    model: LanguageModel | None = None,
) -> Outcome:
    """One n-best list from what each system made of an utterance.

    ``outcomes`` holds every system in its order; those that have none (None or quarantined), or whose weight
    is 0, are left out and the others go on: the feature ``systems`` says how many took part. Where none is
    left the utterance is quarantined. ``model`` is the language model that ``config`` names, where it does.
    """
    weights = config.weights or (1.0,) * len(outcomes)
    found = [
        (name, outcome, weight)
        for (name, outcome), weight in zip(outcomes.items(), weights, strict=True)
        if isinstance(outcome, NBest) and weight > 0
    ]
    if not found:
        missing = "; ".join(f"{name}: {_why(outcome)}" for name, outcome in outcomes.items())
        return Quarantined(
            utterance_id=utterance_id,
            stage="pool",
            reason="no system",
            detail=f"expected at least one system with an output, found none ({missing})"[:2000],
        )
    offers = [Offer(name, outcome.hypotheses, weight) for name, outcome, weight in found]
    if model is not None:
        offers = with_scores(offers, model)
    made = METHODS[config.method](offers, config, language)[: config.n_best]
    counted = {"systems": float(len(offers))}
    hypotheses = tuple(h.model_copy(update={"features": {**h.features, **counted}}) for h in made)
    return NBest(utterance_id=utterance_id, hypotheses=hypotheses, language=found[0][1].language)


def _why(outcome: Outcome | None) -> str:
    if isinstance(outcome, Quarantined):
        return outcome.reason
    return "no output" if outcome is None else "weight 0"
