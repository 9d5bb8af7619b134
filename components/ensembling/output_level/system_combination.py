"""System combination: finished n-best lists of several systems become one, by a row of :data:`METHODS`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.estimated_weights import weigh_by_estimates
from components.ensembling.output_level.reranking import rerank
from components.ensembling.output_level.risk.aggregated_utilities import AGGREGATED_UTILITIES
from components.ensembling.output_level.risk.mbr_utilities import UtilityMetric
from components.ensembling.output_level.risk.minimum_bayes_risk import rank_by_expected_utility
from components.ensembling.output_level.voting.rover import combine_by_rover
from components.ensembling.output_level.weighted_hypotheses import (
    SystemNBest,
    TextScorer,
    add_language_model_scores,
)
from components.errors import ConfigError
from components.records import Hypothesis, NBest, Outcome, Quarantined

CombinationMethod = Callable[
    [Sequence[SystemNBest], SystemCombinationConfig, str, UtilityMetric | None], tuple[Hypothesis, ...]
]

METHODS: dict[str, CombinationMethod] = {
    "rover": lambda nbests, config, language, judge: (combine_by_rover(nbests, config, language),),
    "minimum_bayes_risk": rank_by_expected_utility,
    "reranking": rerank,
}
"""Name -> function of (n-best lists, settings, language, metric of the utility) -> hypotheses, best first."""


def check_combination(
    config: SystemCombinationConfig, systems: Sequence[str], *, learned: bool = False
) -> None:
    """Refuse settings that do not fit the systems.

    Args:
        config: the settings.
        systems: names of the systems, in order.
        learned: whether the coefficients of reranking come from development data.

    Raises:
        ConfigError: the names, the weights or the coefficients are wrong.
    """
    if not systems:
        raise ConfigError("of: expected at least one system to combine, found none: name the members")
    if len(set(systems)) != len(systems):
        raise ConfigError(f"of: expected a different name for each system, found {', '.join(systems)}")
    weights = config.weights
    if weights and len(weights) != len(systems):
        raise ConfigError(
            f"weights: expected one for each of the {len(systems)} systems ({', '.join(systems)}), "
            f"found {len(weights)}"
        )
    if any(not math.isfinite(weight) or weight < 0 for weight in weights) or (weights and not any(weights)):
        raise ConfigError(f"weights: expected numbers of at least 0, not all 0, found {list(weights)}")
    _check_fast_form(config)
    if config.method == "rover" and config.confidence == "calibrated":
        if config.voting == "frequency":
            raise ConfigError(
                "voting: expected average or maximum with confidence calibrated, found frequency, which "
                "reads no confidence"
            )
        if config.n_best != 1:
            raise ConfigError(
                "n_best: expected 1 with confidence calibrated, as kind estimate annotates the best "
                f"hypothesis alone, found {config.n_best}"
            )
    if config.method == "reranking" and not config.coefficients and not learned:
        raise ConfigError(
            "coefficients: expected weights of features for reranking, found none; learn them on "
            "development data"
        )


def _check_fast_form(config: SystemCombinationConfig) -> None:
    if config.method != "minimum_bayes_risk" and config.mbr != "exact":
        raise ConfigError(f"mbr {config.mbr}: expected method minimum_bayes_risk, found {config.method}")
    if config.mbr == "aggregated" and config.utility not in AGGREGATED_UTILITIES:
        names = " or ".join(AGGREGATED_UTILITIES)
        raise ConfigError(
            f"mbr aggregated: expected utility {names}, whose references can be averaged, found "
            f"{config.utility}; take mbr pruned"
        )


def combine_outputs(
    utterance_id: str,
    outcomes: Mapping[str, Outcome | None],
    config: SystemCombinationConfig,
    language: str,
    language_model: TextScorer | None = None,
    judge: UtilityMetric | None = None,
) -> Outcome:
    """Combine what several systems made of one utterance.

    Systems without an output for it (None or quarantined), or of weight 0, are left out; the feature
    ``systems`` says how many took part.

    Args:
        utterance_id: of the utterance.
        outcomes: every system's outcome by its name, in order.
        config: method and settings.
        language: of the texts.
        language_model: the one that ``config`` names, where it names one.
        judge: the metric of the utility, where a model computes it.

    Returns:
        One n-best list, or a quarantine record where no system is left.
    """
    nbests = gather_systems(outcomes, config)
    if not nbests:
        missing = "; ".join(f"{name}: {_reason_missing(outcome)}" for name, outcome in outcomes.items())
        return Quarantined(
            utterance_id=utterance_id,
            stage="combine",
            reason="no system",
            detail=f"expected at least one system with an output, found none ({missing})"[:2000],
        )
    if language_model is not None:
        nbests = add_language_model_scores(nbests, language_model)
    best = METHODS[config.method](nbests, config, language, judge)[: config.n_best]
    n_systems = {"systems": float(len(nbests))}
    hypotheses = tuple(h.model_copy(update={"features": {**h.features, **n_systems}}) for h in best)
    first = outcomes[nbests[0].system]
    assert isinstance(first, NBest)
    return NBest(utterance_id=utterance_id, hypotheses=hypotheses, language=first.language)


def gather_systems(
    outcomes: Mapping[str, Outcome | None], config: SystemCombinationConfig
) -> list[SystemNBest]:
    """Return the lists that take part, with the weights of their systems."""
    weights = config.weights or (1.0,) * len(outcomes)
    nbests = [
        SystemNBest(name, outcome.hypotheses, weight)
        for (name, outcome), weight in zip(outcomes.items(), weights, strict=True)
        if isinstance(outcome, NBest) and weight > 0
    ]
    return nbests if config.weights_by is None else weigh_by_estimates(nbests, config.weights_by)


def _reason_missing(outcome: Outcome | None) -> str:
    if isinstance(outcome, Quarantined):
        return outcome.reason
    return "no output" if outcome is None else "weight 0"
