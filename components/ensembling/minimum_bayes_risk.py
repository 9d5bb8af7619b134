"""Minimum Bayes risk: the candidate whose expected utility under all votes is highest.

Kumar and Byrne 2004 (n-best lists); Eikema and Aziz 2022 (samples); over the pooled candidates of different
systems it is system combination by consensus, and each system's part in the consensus can be said.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.ensembling.candidates import candidates
from components.ensembling.config import PoolingConfig
from components.ensembling.offers import Offer
from components.ensembling.utilities import MASSES, UTILITIES
from components.records import Hypothesis


def minimum_bayes_risk(
    offers: Sequence[Offer], config: PoolingConfig, language: str = "und"
) -> tuple[Hypothesis, ...]:
    """The different candidate texts of all offers, best first, as their systems wrote them.

    Every vote is a candidate and, with its weight, a possible truth (itself included): the expected utility
    of candidate c is ``sum over votes v of weight(v) * utility(c, v)``. Features added: ``expected_utility``,
    and ``share:SYSTEM``, the part of the expected agreement with c (see ``MASSES``) that the system's votes
    give; the shares sum to 1. Ties go to the system given first, then to its better hypothesis.
    """
    pool = candidates(offers, config.n_best, config.scale)
    utility = UTILITIES[config.utility](pool.texts, language)
    expected = utility @ pool.votes.sum(0)
    mass = MASSES[config.utility](utility) @ pool.votes.T  # (texts, systems)
    total = mass.sum(1, keepdims=True)
    shares = (mass / total).tolist() if (total > 0).all() else _shares(mass.tolist(), pool.votes.sum(1))
    order = sorted(range(len(expected)), key=lambda place: -round(float(expected[place]), 9))
    return tuple(
        _with_features(pool.hypotheses[place], float(expected[place]), pool.systems, shares[place])
        for place in order
    )


def _shares(masses: list[list[float]], votes: Sequence[float]) -> list[list[float]]:
    """Where a candidate has nothing in common with any vote, the systems' weights stand for the shares."""
    return [[m / sum(row) for m in row] if sum(row) > 0 else [float(v) for v in votes] for row in masses]


def _with_features(
    hypothesis: Hypothesis, expected: float, systems: Sequence[str], shares: Sequence[float]
) -> Hypothesis:
    features = {**hypothesis.features, "expected_utility": expected}
    features |= {f"share:{system}": share for system, share in zip(systems, shares, strict=True)}
    return hypothesis.model_copy(update={"features": features})
