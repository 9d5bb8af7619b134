"""Tests of limits: whether a cost, measured on some data, stays within a bound on data drawn alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from components.design.goal import LIMIT_ERROR, LimitTest

QUANTILE = 0.95


def bound_ratio(limit: str, allowed: float, costs: Sequence[float], sizes: Sequence[float]) -> LimitTest:
    """Test the cost per unit of all data, such as seconds per hour of audio, from those of blocks of it.

    One-sided upper bound of a ratio of sums by Student's t over the blocks (Cochran 1977, section 6.4).

    Args:
        limit: its name.
        allowed: at most.
        costs: of each block.
        sizes: of each block, in the unit of the limit.
    """
    from scipy.stats import t as student  # noqa: PLC0415 - half a second

    cost, size = np.asarray(costs, np.float64), np.asarray(sizes, np.float64)
    ratio, n = float(cost.sum() / size.sum()), len(cost)
    if n < 2:
        return LimitTest(limit=limit, allowed=allowed, measured=ratio)
    residuals = cost - ratio * size
    error = math.sqrt(float((residuals**2).sum()) / (n - 1) / n) / float(size.mean())
    upper = ratio + float(student.ppf(1 - LIMIT_ERROR, n - 1)) * error
    return LimitTest(limit=limit, allowed=allowed, measured=ratio, upper=upper)


def bound_quantile(limit: str, allowed: float, seconds: Sequence[float]) -> LimitTest:
    """Test the 95th percentile of single measurements.

    Upper bound by order statistics, whatever their distribution (Conover 1999, section 3.2): the k-th
    smallest of n, with the least k of which P(Binomial(n, 0.95) < k) >= 0.95. It needs 59 measurements.
    """
    from scipy.stats import binom  # noqa: PLC0415 - half a second

    ordered = sorted(seconds)
    measured = float(np.percentile(ordered, 100 * QUANTILE))
    rank = int(binom.ppf(1 - LIMIT_ERROR, len(ordered), QUANTILE)) + 1
    upper = ordered[rank - 1] if rank <= len(ordered) else None
    return LimitTest(limit=limit, allowed=allowed, measured=measured, upper=upper)
