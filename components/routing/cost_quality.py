"""Quality against the share that escalates: by a number, at random, and knowing the gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.metrics.statistics.bootstrap import FloatArray, Interval, resample_sums
from components.routing.curve import CostQuality, CurvePoint
from components.routing.rung_outputs import RungOutputs

MAX_POINTS = 101
ORDERS = 1000
"""Random orders of the utterances, for the expectation of random routing and its band."""
SEED = 12345


def trace_curve(cuts: Cuts, outputs: RungOutputs) -> CostQuality:
    """Compute the curve of a development set."""
    n = len(cuts)
    sizes = np.unique(np.rint(np.linspace(0, n, MAX_POINTS)).astype(np.intp))
    shares = sizes / n
    quality = np.interp(sizes, cuts.sizes, outputs.quality_by_size(cuts.order)[cuts.sizes])
    oracle = outputs.quality_by_size(np.argsort(-outputs.gains, kind="stable"))[sizes]
    random = _random_qualities(outputs, sizes)
    expected = random.mean(0)
    low, high = np.percentile(random, (2.5, 97.5), axis=0)
    available = outputs.sign * float(np.trapezoid(oracle - expected, shares))
    areas = (
        outputs.sign * np.trapezoid(np.vstack([quality, random]) - expected, shares) / available
        if available > 1e-9
        else None
    )
    rows = np.stack([shares, quality, expected, low, high, oracle], axis=1).tolist()
    return CostQuality(
        metric=outputs.metric.name,
        higher_is_better=outputs.metric.higher_is_better,
        points=tuple(
            CurvePoint(share=share, quality=by_doubt, random=mean, band=(bottom, top), oracle=best)
            for share, by_doubt, mean, bottom, top, best in rows
        ),
        area=None if areas is None else float(areas[0]),
        random_area=None if areas is None else tuple(np.percentile(areas[1:], (2.5, 97.5)).tolist()),
    )


def _random_qualities(outputs: RungOutputs, sizes: np.ndarray) -> FloatArray:
    """Return corpus scores (orders, m) where the first utterances of random orders escalate."""
    rng = np.random.default_rng(SEED)
    steps = outputs.changes.shape[1]
    sums = np.zeros((ORDERS, len(sizes), steps))
    for row in sums:
        shuffled = outputs.changes[rng.permutation(len(outputs.changes))]
        # Sums between the sizes: a sum of all prefixes would be a hundred times as long.
        row[1:] = np.cumsum(np.add.reduceat(shuffled, sizes[:-1], axis=0), axis=0)
    return outputs.quality(sums)


def interval_at(cuts: Cuts, outputs: RungOutputs, size: int) -> Interval | None:
    """Return the 95% bootstrap interval over utterances of the score where ``size`` of them escalate."""
    escalates = np.zeros(len(cuts), bool)
    escalates[cuts.order[:size]] = True
    rows = outputs.mix(escalates)
    return outputs.metric.interval(rows, outputs.metric.score(resample_sums(rows)))


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
        """Return the largest size whose cost, by the number that escalates (n + 1,), is within a budget.

        The budget is enough for none.
        """
        return int(self.sizes[costs[self.sizes] <= budget][-1])


def find_cuts(doubts: FloatArray) -> Cuts:
    """Return the cuts of utterances with these doubts (n,), at least one."""
    order = np.argsort(-doubts, kind="stable")
    ordered = doubts[order]
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    return Cuts(order, np.concatenate([[0], changes, [len(doubts)]]).astype(np.intp))
