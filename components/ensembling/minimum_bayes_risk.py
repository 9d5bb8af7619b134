"""Minimum Bayes risk: the candidate whose expected utility under all votes is highest.

Kumar and Byrne 2004 (n-best lists); Eikema and Aziz 2022 (samples); over the pooled candidates of different
systems it is system combination by consensus, and each system's part in the consensus can be said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.ensembling.config import PoolingConfig
from components.ensembling.offers import Offer, ballots
from components.ensembling.utilities import MASSES, UTILITIES
from components.records import Hypothesis


def minimum_bayes_risk(
    offers: Sequence[Offer], config: PoolingConfig, language: str = "und"
) -> list[Hypothesis]:
    """The different candidate texts of all offers, best first, as their systems wrote them.

    Every vote is a candidate and, with its weight, a possible truth (itself included): the expected utility
    of candidate c is ``sum over votes v of weight(v) * utility(c, v)``. Features added: ``expected_utility``,
    and ``share:SYSTEM``, the part of the expected agreement with c (see ``MASSES``) that the system's votes
    give; the shares sum to 1. Ties go to the system given first, then to its better hypothesis.
    """
    rows = ballots(offers, config.n_best, config.scale)
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(row.hypothesis.text, number)
    systems = list(dict.fromkeys(row.system for row in rows))
    places = {text: place for place, text in enumerate(first)}
    votes = np.zeros((len(systems), len(first)))  # equal texts vote together
    for row in rows:
        votes[systems.index(row.system), places[row.hypothesis.text]] += row.weight
    utility = UTILITIES[config.utility](list(first), language)
    expected = utility @ votes.sum(0)
    mass = MASSES[config.utility](utility) @ votes.T  # (candidates, systems)
    order = sorted(range(len(first)), key=lambda place: -round(float(expected[place]), 9))
    numbers = list(first.values())
    return [
        _chosen(rows[numbers[p]].hypothesis, float(expected[p]), systems, mass[p], votes.sum(1))
        for p in order
    ]


def _chosen(
    hypothesis: Hypothesis,
    expected: float,
    systems: Sequence[str],
    mass: np.ndarray[tuple[int], np.dtype[np.float64]],
    votes: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> Hypothesis:
    total = float(mass.sum())
    shares = mass / total if total > 0 else votes
    features = {**hypothesis.features, "expected_utility": expected}
    features |= {f"share:{system}": float(share) for system, share in zip(systems, shares, strict=True)}
    return hypothesis.model_copy(update={"features": features})
