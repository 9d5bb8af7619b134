"""Log-linear reranking: the candidate with the highest weighted sum of features (Och and Ney 2002).

The features are rows of :data:`N_FEATURES`; their coefficients are learned on development data by
:mod:`components.ensembling.output_level.mert`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.candidates import Candidates, collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mbr_utilities import pairwise_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.errors import ConfigError
from components.records import Hypothesis

Vector = NDArray[np.float64]
Feature = Callable[[Candidates, SystemCombinationConfig, str], dict[str, Vector]]
"""(candidates, config, language) -> columns by name, each with one number per candidate."""


def _score_features(
    candidate_set: Candidates, config: SystemCombinationConfig, language: str
) -> dict[str, Vector]:
    """Log-probability (nats) and its mean per token, as the first system that offers the text gave it."""
    del config, language
    scores = np.array([hypothesis.score for hypothesis in candidate_set.hypotheses])
    lengths = np.array([max(hypothesis.n_tokens, 1) for hypothesis in candidate_set.hypotheses])
    return {"log_prob": scores, "mean_log_prob": scores / lengths}


def _length_features(
    candidate_set: Candidates, config: SystemCombinationConfig, language: str
) -> dict[str, Vector]:
    """Words, and characters for the languages that write no spaces."""
    del config, language
    return {
        "words": np.array([float(len(text.split())) for text in candidate_set.texts]),
        "characters": np.array([float(len(text)) for text in candidate_set.texts]),
    }


def _vote_features(
    candidate_set: Candidates, config: SystemCombinationConfig, language: str
) -> dict[str, Vector]:
    """Each system's share of the vote on the text: its posterior where it offers it, else 0."""
    del config, language
    return {
        f"vote:{system}": candidate_set.vote_shares[number]
        for number, system in enumerate(candidate_set.systems)
    }


def _agreement_feature(
    candidate_set: Candidates, config: SystemCombinationConfig, language: str
) -> dict[str, Vector]:
    """Expected utility under all votes, in percent: minimum Bayes risk as a feature."""
    return {
        "agreement": pairwise_utility(config.utility, candidate_set.texts, language)
        @ candidate_set.vote_shares.sum(0)
    }


def _hypothesis_features(
    candidate_set: Candidates, config: SystemCombinationConfig, language: str
) -> dict[str, Vector]:
    """Features that every candidate brings along, such as ``lm``, a language model's log-probability."""
    del config, language
    names = set.intersection(*(set(hypothesis.features) for hypothesis in candidate_set.hypotheses))
    return {name: np.array([h.features[name] for h in candidate_set.hypotheses]) for name in sorted(names)}


FEATURES: dict[str, Feature] = {
    "score": _score_features,
    "length": _length_features,
    "votes": _vote_features,
    "agreement": _agreement_feature,
    "given": _hypothesis_features,
}
"""Groups of features."""


def compute_features(
    candidate_set: Candidates, config: SystemCombinationConfig, language: str
) -> dict[str, Vector]:
    """Every feature of the candidates of one utterance, by name; our own names win over brought ones."""
    columns: dict[str, Vector] = {}
    for row in reversed(FEATURES.values()):
        columns |= row(candidate_set, config, language)
    return columns


def rerank(
    nbests: Sequence[SystemNBest], config: SystemCombinationConfig, language: str = "und"
) -> tuple[Hypothesis, ...]:
    """The candidates by ``sum of coefficient * feature``, best first; ties in the order offered.

    The sum is added as the feature ``reranking``. A system that has no offer here votes 0. Raises
    :class:`ConfigError` for no coefficients, and for one whose feature the candidates do not have.
    """
    if not config.coefficients:
        raise ConfigError(
            "coefficients: expected weights of features for reranking, found none; learn them on "
            "development data"
        )
    candidate_set = collect_candidates(nbests, config.n_best, config.scale)
    columns = compute_features(candidate_set, config, language)
    total = np.zeros(len(candidate_set.hypotheses))
    for name, coefficient in config.coefficients.items():
        if name in columns:
            total = total + coefficient * columns[name]
        elif not name.startswith("vote:"):
            available = ", ".join(columns)
            raise ConfigError(
                f"coefficients: expected features among {available}, found {name!r}; learn them again"
            )
    order = sorted(range(len(total)), key=lambda place: -round(float(total[place]), 9))
    return tuple(_with_sum(candidate_set.hypotheses[index], float(total[index])) for index in order)


def _with_sum(hypothesis: Hypothesis, total: float) -> Hypothesis:
    return hypothesis.model_copy(update={"features": {**hypothesis.features, "reranking": total}})
