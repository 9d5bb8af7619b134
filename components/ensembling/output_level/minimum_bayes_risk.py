"""Minimum Bayes risk decoding: the candidate with the highest expected utility under the posterior.

Kumar and Byrne 2004 (n-best lists); Eikema and Aziz 2022 (samples). Over the candidates of several systems it
is system combination by consensus, and each system's share of the consensus is reported.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.output_level.candidates import collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mbr_utilities import agreement_of, pairwise_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.languages import UNDETERMINED
from components.records import Hypothesis


def rank_by_expected_utility(
    nbests: Sequence[SystemNBest], config: SystemCombinationConfig, language: str = UNDETERMINED
) -> tuple[Hypothesis, ...]:
    """Order the different texts of all systems by their expected utility, best first.

    Every hypothesis is a candidate and, with its posterior weight, a possible truth: the expected utility of
    candidate c is the sum over hypotheses h of weight(h) * utility(c, h), c itself included. Two features are
    added: ``expected_utility``, and ``share:SYSTEM``, the part of the expected agreement with c (see
    :func:`.mbr_utilities.agreement_of`) that comes from the system's hypotheses; the shares sum to 1. Ties go
    to the system that stands first, then to its better hypothesis.

    Args:
        nbests: one list per system.
        config: number of hypotheses, scale of the posterior, utility.
        language: of the texts.
    """
    candidate_set = collect_candidates(nbests, config.n_best, config.scale)
    utility = pairwise_utility(config.utility, candidate_set.texts, language, config.utility_normalizer)
    expected = utility @ candidate_set.vote_shares.sum(0)
    agreement = agreement_of(config.utility, utility) @ candidate_set.vote_shares.T  # (texts, systems)
    total = agreement.sum(1, keepdims=True)
    shares = (
        (agreement / total).tolist()
        if (total > 0).all()
        else _shares_per_candidate(agreement.tolist(), candidate_set.vote_shares.sum(1))
    )
    order = sorted(range(len(expected)), key=lambda index: -round(float(expected[index]), 9))
    return tuple(
        _with_features(
            candidate_set.hypotheses[index], float(expected[index]), candidate_set.systems, shares[index]
        )
        for index in order
    )


def _shares_per_candidate(agreements: list[list[float]], weights: Sequence[float]) -> list[list[float]]:
    """The systems' shares of each candidate's agreement; their weights, where it agrees with nothing."""
    return [
        [agreement / sum(row) for agreement in row] if sum(row) > 0 else [float(weight) for weight in weights]
        for row in agreements
    ]


def _with_features(
    hypothesis: Hypothesis, expected: float, systems: Sequence[str], shares: Sequence[float]
) -> Hypothesis:
    features = {**hypothesis.features, "expected_utility": expected}
    features |= {f"share:{system}": share for system, share in zip(systems, shares, strict=True)}
    return hypothesis.model_copy(update={"features": features})
