"""The different texts that a pool offers for one utterance, with the votes of every system on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.weighted_hypotheses import SystemNBest, posterior_weights
from components.records import Hypothesis


@dataclass(frozen=True)
class Candidates:
    """``hypotheses``: the first of each text, in the order of systems and their lists; ``votes``
    (systems, texts): each system's share of the vote on each text, all together 1.
    """

    systems: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    vote_shares: NDArray[np.float64]

    @property
    def texts(self) -> list[str]:
        """The candidates' texts, all different."""
        return [hypothesis.text for hypothesis in self.hypotheses]


def collect_candidates(nbests: Sequence[SystemNBest], n_best: int, scale: float) -> Candidates:
    """Pool the ``n_best`` first hypotheses of every offer, with votes as :func:`posterior_weights` shares them out."""
    rows = posterior_weights(nbests, n_best, scale)
    systems = tuple(dict.fromkeys(row.system for row in rows))
    first_of_text: dict[str, Hypothesis] = {}
    for row in rows:
        first_of_text.setdefault(row.hypothesis.text, row.hypothesis)
    columns = {text: column for column, text in enumerate(first_of_text)}
    votes = np.zeros((len(systems), len(first_of_text)))
    for row in rows:
        votes[systems.index(row.system), columns[row.hypothesis.text]] += row.weight
    return Candidates(systems, tuple(first_of_text.values()), votes)
