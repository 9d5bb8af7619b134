"""Minimum Bayes risk: the candidate whose expected utility under all votes is highest.

Kumar and Byrne 2004 (n-best lists); Eikema and Aziz 2022 (samples); over the pooled candidates of different
systems it is system combination by consensus, and each system's part in the consensus can be said.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.output_level.candidates import collect_candidates
from components.ensembling.output_level.config import SystemCombinationConfig
from components.ensembling.output_level.mbr_utilities import agreement_of, pairwise_utility
from components.ensembling.output_level.weighted_hypotheses import SystemNBest
from components.records import Hypothesis


def rank_by_expected_utility(
    nbests: Sequence[SystemNBest], config: SystemCombinationConfig, language: str = "und"
) -> tuple[Hypothesis, ...]:
    """The different candidate texts of all offers, best first, as their systems wrote them.

    Every vote is a candidate and, with its weight, a possible truth (itself included): the expected utility
    of candidate c is ``sum over votes v of weight(v) * utility(c, v)``. Features added: ``expected_utility``,
    and ``share:SYSTEM``, the part of the expected agreement with c (see :func:`agreement_of`) that the
    system's votes give; the shares sum to 1. Ties go to the system given first, then to its better
    hypothesis.
    """
    candidate_set = collect_candidates(nbests, config.n_best, config.scale)
    utility = pairwise_utility(config.utility, candidate_set.texts, language)
    expected = utility @ candidate_set.vote_shares.sum(0)
    agreement = agreement_of(config.utility, utility) @ candidate_set.vote_shares.T  # (texts, systems)
    total = agreement.sum(1, keepdims=True)
    shares = (
        (agreement / total).tolist()
        if (total > 0).all()
        else _shares_per_candidate(agreement.tolist(), candidate_set.vote_shares.sum(1))
    )
    order = sorted(range(len(expected)), key=lambda place: -round(float(expected[place]), 9))
    return tuple(
        _with_features(
            candidate_set.hypotheses[index], float(expected[index]), candidate_set.systems, shares[index]
        )
        for index in order
    )


def _shares_per_candidate(masses: list[list[float]], votes: Sequence[float]) -> list[list[float]]:
    """Where a candidate has nothing in common with any vote, the systems' weights stand for the shares."""
    return [[m / sum(row) for m in row] if sum(row) > 0 else [float(v) for v in votes] for row in masses]


def _with_features(
    hypothesis: Hypothesis, expected: float, systems: Sequence[str], shares: Sequence[float]
) -> Hypothesis:
    features = {**hypothesis.features, "expected_utility": expected}
    features |= {f"share:{system}": share for system, share in zip(systems, shares, strict=True)}
    return hypothesis.model_copy(update={"features": features})
