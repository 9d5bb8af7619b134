"""Differences of two systems as they are drawn where there is none, and the p-value that follows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from components.metrics.bootstrap import SEED, FloatArray
from components.metrics.corpus_statistics import CorpusStatistics

TRIALS = 10_000
"""Exchanges of a randomisation test."""


def two_sided_p(null: FloatArray, observed: float) -> float:
    """p of a difference under ``null``, differences as they are drawn where there is none.

    Equal ones count (within rounding): the identity is one of the exchanges, and p is never too small.
    """
    extreme = np.abs(null) >= abs(observed) * (1 - 1e-9)
    return (int(extreme.sum()) + 1) / (len(null) + 1)


def draw_randomized_differences(system: CorpusStatistics, baseline: CorpusStatistics) -> FloatArray:
    """|d| (TRIALS,), in points of the metric, of outputs exchanged at random (Riezler and Maxwell 2005)."""
    whole = baseline.rows.sum(0) + system.rows.sum(0)
    sizes = []
    for swapped in _swaps(len(system.ids)):
        mixed = swapped @ baseline.rows + ~swapped @ system.rows
        for one, other in zip(mixed.tolist(), (whole - mixed).tolist(), strict=True):
            sizes.append(abs(system.score_of_sum(one) - system.score_of_sum(other)))
    return np.asarray(sizes)


def _swaps(n: int) -> Iterator[NDArray[np.bool_]]:
    """Which utterances the two systems exchange, some trials (m, n) at a time: memory stays flat.

    Numpy draws booleans 32 at a time, so pieces of a multiple of 32 rows are the numbers of one draw.
    """
    rng = np.random.default_rng(SEED)
    for start in range(0, TRIALS, 512):
        yield rng.integers(2, size=(min(512, TRIALS - start), n), dtype=bool)
