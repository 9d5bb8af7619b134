"""Confidence-based pruning: minimum Bayes risk on more and more references, and ever fewer candidates.

Cheng and Vlachos 2023, "Faster Minimum Bayes Risk Decoding with Confidence-based Pruning". References are
drawn by their weights; after each stage a candidate is pruned if the leader beats it with confidence, and
what is left at the end is compared with all references. They bootstrap the chance that a candidate wins; here
it is its normal limit, a paired z-test, at a level that is shared out over all stages and all possible
leaders, so that the best of the exact form is pruned with probability ``error`` at most, as far as means of
32 are normal.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from components.ensembling.output_level.risk.clipped_matches import Matrix

FIRST_STAGE = 32
"""References of the first stage; each further one has twice as many in all."""

Columns = Callable[[NDArray[np.int64], NDArray[np.int64]], Matrix]
"""(numbers of candidates, numbers of references) -> the utility of each with each."""


def prune_candidates(utility: Columns, weights: NDArray[np.float64], error: float) -> NDArray[np.int64]:
    """Drop the candidates that will hardly be the best.

    Args:
        utility: computes utilities, of what is asked for only.
        weights: (n,) of the candidates as references; they sum to 1.
        error: probability, in (0, 1), that the best of all is pruned.

    Returns:
        Numbers of the candidates that are left, in order. With few references in all, every one.
    """
    n = len(weights)
    sizes = [FIRST_STAGE * 2**k for k in range(32) if FIRST_STAGE * 2 ** (k + 1) <= n]
    drawn = np.random.default_rng(0).choice(n, sizes[-1] if sizes else 0, p=weights)
    left, values = np.arange(n), np.zeros((n, 0))
    for size in sizes:
        values = np.concatenate([values, _draws(utility, left, drawn[values.shape[1] : size])], 1)
        keep = _contenders(values, error / len(sizes) / max(n - 1, 1))
        left, values = left[keep], values[keep]
        if len(left) == 1:
            break
    return left


def _draws(utility: Columns, left: NDArray[np.int64], drawn: NDArray[np.int64]) -> Matrix:
    """Utilities with the references that were drawn, each different one computed once."""
    different, numbers = np.unique(drawn, return_inverse=True)
    return utility(left, different)[:, numbers]


def _contenders(values: Matrix, level: float) -> NDArray[np.bool_]:
    """Which candidates are not significantly worse than the leader, by a one-sided paired z-test.

    Args:
        values: (m, draws) utilities.
        level: of each test.
    """
    behind = values[values.mean(1).argmax()] - values
    error = behind.std(1, ddof=1) / np.sqrt(values.shape[1])
    return np.asarray(behind.mean(1) <= -NormalDist().inv_cdf(level) * error)
