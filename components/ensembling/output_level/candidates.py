"""The different texts that several systems propose for one utterance, and each system's votes for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.weighted_hypotheses import SystemNBest, posterior_weights
from components.records import Hypothesis


@dataclass(frozen=True)
class Candidates:
    """The different texts of one utterance.

    Attributes:
        systems: names of the systems.
        hypotheses: the first one of each text, in the order of the systems and their lists.
        vote_shares: (systems, texts), the weight that each system gives to each text; all together 1.
    """

    systems: tuple[str, ...]
    hypotheses: tuple[Hypothesis, ...]
    vote_shares: NDArray[np.float64]

    @property
    def texts(self) -> list[str]:
        """The candidates' texts, all different."""
        return [hypothesis.text for hypothesis in self.hypotheses]


def collect_candidates(nbests: Sequence[SystemNBest], n_best: int, scale: float) -> Candidates:
    """Gather the first ``n_best`` hypotheses of every system, weighted by :func:`posterior_weights`."""
    weighted = posterior_weights(nbests, n_best, scale)
    systems = tuple(dict.fromkeys(row.system for row in weighted))
    first_of_text: dict[str, Hypothesis] = {}
    for row in weighted:
        first_of_text.setdefault(row.hypothesis.text, row.hypothesis)
    columns = {text: column for column, text in enumerate(first_of_text)}
    vote_shares = np.zeros((len(systems), len(first_of_text)))
    for row in weighted:
        vote_shares[systems.index(row.system), columns[row.hypothesis.text]] += row.weight
    return Candidates(systems, tuple(first_of_text.values()), vote_shares)
