"""Log-linear reranking: the candidate with the highest weighted sum of features (Och and Ney 2002).

The features are rows of :data:`FEATURES`; their coefficients are learned on development data by
:mod:`components.ensembling.tuning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from components.ensembling.candidates import Candidates, candidates
from components.ensembling.config import PoolingConfig
from components.ensembling.offers import Offer
from components.ensembling.utilities import UTILITIES
from components.errors import ConfigError
from components.records import Hypothesis

Vector = NDArray[np.float64]
Feature = Callable[[Candidates, PoolingConfig, str], dict[str, Vector]]
"""(candidates, config, language) -> columns by name, each with one number per candidate."""


def _score(pool: Candidates, config: PoolingConfig, language: str) -> dict[str, Vector]:
    """Log-probability (nats) and its mean per token, as the first system that offers the text gave it."""
    del config, language
    scores = np.array([hypothesis.score for hypothesis in pool.hypotheses])
    lengths = np.array([max(hypothesis.n_tokens, 1) for hypothesis in pool.hypotheses])
    return {"log_prob": scores, "mean_log_prob": scores / lengths}


def _length(pool: Candidates, config: PoolingConfig, language: str) -> dict[str, Vector]:
    """Words, and characters for the languages that write no spaces."""
    del config, language
    return {
        "words": np.array([float(len(text.split())) for text in pool.texts]),
        "characters": np.array([float(len(text)) for text in pool.texts]),
    }


def _votes(pool: Candidates, config: PoolingConfig, language: str) -> dict[str, Vector]:
    """Each system's share of the vote on the text: its posterior where it offers it, else 0."""
    del config, language
    return {f"vote:{system}": pool.votes[number] for number, system in enumerate(pool.systems)}


def _agreement(pool: Candidates, config: PoolingConfig, language: str) -> dict[str, Vector]:
    """Expected utility under all votes, in percent: minimum Bayes risk as a feature."""
    return {"agreement": UTILITIES[config.utility](pool.texts, language) @ pool.votes.sum(0)}


def _given(pool: Candidates, config: PoolingConfig, language: str) -> dict[str, Vector]:
    """Features that every candidate brings along, such as ``lm``, a language model's log-probability."""
    del config, language
    names = set.intersection(*(set(hypothesis.features) for hypothesis in pool.hypotheses))
    return {name: np.array([h.features[name] for h in pool.hypotheses]) for name in sorted(names)}


FEATURES: dict[str, Feature] = {
    "score": _score,
    "length": _length,
    "votes": _votes,
    "agreement": _agreement,
    "given": _given,
}
"""Groups of features."""


def features_of(pool: Candidates, config: PoolingConfig, language: str) -> dict[str, Vector]:
    """Every feature of the candidates of one utterance, by name; our own names win over brought ones."""
    columns: dict[str, Vector] = {}
    for row in reversed(FEATURES.values()):
        columns |= row(pool, config, language)
    return columns


def rerank(offers: Sequence[Offer], config: PoolingConfig, language: str = "und") -> tuple[Hypothesis, ...]:
    """The candidates by ``sum of coefficient * feature``, best first; ties in the order offered.

    The sum is added as the feature ``reranking``. A system that has no offer here votes 0. Raises
    :class:`ConfigError` for no coefficients, and for one whose feature the candidates do not have.
    """
    if not config.coefficients:
        raise ConfigError(
            "coefficients: expected weights of features for reranking, found none; learn them on "
            "development data"
        )
    pool = candidates(offers, config.n_best, config.scale)
    columns = features_of(pool, config, language)
    total = np.zeros(len(pool.hypotheses))
    for name, coefficient in config.coefficients.items():
        if name in columns:
            total = total + coefficient * columns[name]
        elif not name.startswith("vote:"):
            known = ", ".join(columns)
            raise ConfigError(
                f"coefficients: expected features among {known}, found {name!r}; learn them again"
            )
    order = sorted(range(len(total)), key=lambda place: -round(float(total[place]), 9))
    return tuple(_with_sum(pool.hypotheses[place], float(total[place])) for place in order)


def _with_sum(hypothesis: Hypothesis, total: float) -> Hypothesis:
    return hypothesis.model_copy(update={"features": {**hypothesis.features, "reranking": total}})
