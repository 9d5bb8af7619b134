"""The different texts that a pool offers for one utterance, with the votes of every system on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.ensembling.offers import Offer, ballots
from components.records import Hypothesis


@dataclass(frozen=True)
class Candidates:
    """``hypotheses``: the first of each text, in the order of systems and their lists; ``votes``
    (systems, texts): each system's share of the vote on each text, all together 1.
    """

    systems: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    votes: NDArray[np.float64]

    @property
    def texts(self) -> list[str]:
        """The candidates' texts, all different."""
        return [hypothesis.text for hypothesis in self.hypotheses]


def candidates(offers: Sequence[Offer], n_best: int, scale: float) -> Candidates:
    """Pool the ``n_best`` first hypotheses of every offer, with votes as :func:`ballots` shares them out."""
    rows = ballots(offers, n_best, scale)
    systems = tuple(dict.fromkeys(row.system for row in rows))
    first: dict[str, Hypothesis] = {}
    for row in rows:
        first.setdefault(row.hypothesis.text, row.hypothesis)
    places = {text: place for place, text in enumerate(first)}
    votes = np.zeros((len(systems), len(first)))
    for row in rows:
        votes[systems.index(row.system), places[row.hypothesis.text]] += row.weight
    return Candidates(systems, tuple(first.values()), votes)
