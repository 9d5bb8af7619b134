"""Log-linear reranking of n-best lists: the highest weighted sum of features wins (Och and Ney 2002).

The features are rows of :data:`FEATURES`; their coefficients are learned on development data by
:mod:`components.ensembling.output_level.mert`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.candidates import Candidates, collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.risk.mbr_utilities import UtilityMetric, pairwise_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.errors import ConfigError
from components.metrics.table import get_metric
from components.records import Hypothesis
from components.text.languages import UNDETERMINED

Vector = NDArray[np.float64]
Feature = Callable[[Candidates, str, UtilityMetric], dict[str, Vector]]
"""(candidates, language, metric of the utility) -> features by name, a number per candidate each."""


def _score_features(candidate_set: Candidates, language: str, judge: UtilityMetric) -> dict[str, Vector]:
    """Return the log-probability (nats) and its mean per token, from the first system that has the text."""
    scores = np.array([hypothesis.score for hypothesis in candidate_set.hypotheses])
    lengths = np.array([max(hypothesis.n_tokens, 1) for hypothesis in candidate_set.hypotheses])
    return {"log_prob": scores, "mean_log_prob": scores / lengths}


def _length_features(candidate_set: Candidates, language: str, judge: UtilityMetric) -> dict[str, Vector]:
    """Return numbers of words and of characters; the latter for languages written without spaces."""
    return {
        "words": np.array([float(len(text.split())) for text in candidate_set.texts]),
        "characters": np.array([float(len(text)) for text in candidate_set.texts]),
    }


def _vote_features(candidate_set: Candidates, language: str, judge: UtilityMetric) -> dict[str, Vector]:
    """Return each system's posterior weight of the text; 0 where the system does not have it."""
    return {
        f"vote:{system}": candidate_set.vote_shares[number]
        for number, system in enumerate(candidate_set.systems)
    }


def _agreement_feature(candidate_set: Candidates, language: str, judge: UtilityMetric) -> dict[str, Vector]:
    """Expected utility under the posterior of all systems, in percent: minimum Bayes risk as a feature."""
    return {
        "agreement": pairwise_utility(judge, candidate_set.texts, language) @ candidate_set.vote_shares.sum(0)
    }


def _hypothesis_features(candidate_set: Candidates, language: str, judge: UtilityMetric) -> dict[str, Vector]:
    """Return features that every hypothesis has, such as ``lm``, a language model's log-probability."""
    names = set.intersection(*(set(hypothesis.features) for hypothesis in candidate_set.hypotheses))
    return {name: np.array([h.features[name] for h in candidate_set.hypotheses]) for name in sorted(names)}


FEATURES: dict[str, Feature] = {
    "score": _score_features,
    "length": _length_features,
    "votes": _vote_features,
    "agreement": _agreement_feature,
    "hypothesis": _hypothesis_features,
}
"""Name of a group -> its features."""


def compute_features(
    candidate_set: Candidates,
    config: SystemCombinationConfig,
    language: str,
    judge: UtilityMetric | None = None,
) -> dict[str, Vector]:
    """Compute each feature of an utterance's candidates, by name; ours replace hypotheses' own of that name.

    ``judge`` is the metric of the utility, where a model computes it.
    """
    judge = judge or UtilityMetric(get_metric(config.utility, config.utility_normalizer))
    features: dict[str, Vector] = {}
    for compute_group in reversed(FEATURES.values()):
        features |= compute_group(candidate_set, language, judge)
    return features


def rerank(
    nbests: Sequence[SystemNBest],
    config: SystemCombinationConfig,
    language: str = UNDETERMINED,
    judge: UtilityMetric | None = None,
) -> tuple[Hypothesis, ...]:
    """Order the candidates by the sum of coefficient times feature, best first; ties keep their order.

    The sum is added as the feature ``reranking``. A system that has no hypothesis here has a vote of 0.

    Args:
        nbests: one list per system.
        config: has the coefficients by feature name.
        language: of the texts.
        judge: the metric of the utility, where a model computes it.

    Raises:
        ConfigError: there are no coefficients, or one names a feature that the candidates do not have.
    """
    if not config.coefficients:
        raise ConfigError(
            "coefficients: expected weights of features for reranking, found none; learn them on "
            "development data"
        )
    candidate_set = collect_candidates(nbests, config.n_best, config.scale)
    features = compute_features(candidate_set, config, language, judge)
    total = np.zeros(len(candidate_set.hypotheses))
    for name, coefficient in config.coefficients.items():
        if name in features:
            total = total + coefficient * features[name]
        elif not name.startswith("vote:"):
            available = ", ".join(features)
            raise ConfigError(
                f"coefficients: expected features among {available}, found {name!r}; learn them again"
            )
    order = sorted(range(len(total)), key=lambda index: -round(float(total[index]), 9))
    ranked = ((candidate_set.hypotheses[index], float(total[index])) for index in order)
    return tuple(
        each.model_copy(update={"features": {**each.features, "reranking": value}}) for each, value in ranked
    )
