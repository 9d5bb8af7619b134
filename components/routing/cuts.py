"""The ways to cut a development set in two by a number: utterances of one value stay together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.metrics.statistics.bootstrap import FloatArray

IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Cuts:
    """Utterances in the order of doubt, and how many of them may escalate.

    Attributes:
        order: positions (n,) of the utterances, the most doubtful first.
        sizes: numbers (m,) that may escalate, ascending from 0 to n: a value escalates whole or not at all.
    """

    order: IntArray
    sizes: IntArray

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.order)

    def largest_within(self, costs: FloatArray, budget: float) -> int:
        """Return the largest size whose cost, by the number that escalates (n + 1,), is within a budget."""
        within = self.sizes[costs[self.sizes] <= budget]
        return int(within[-1]) if within.size else 0


def find_cuts(doubts: FloatArray) -> Cuts:
    """Return the cuts of utterances with these doubts (n,), at least one."""
    order = np.argsort(-doubts, kind="stable")
    ordered = doubts[order]
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return Cuts(order, np.concatenate([[0], changes, [len(doubts)]]).astype(np.intp))
