"""Intervals of shares: so many of n."""

from __future__ import annotations

from math import sqrt

from components.metrics.statistics.bootstrap import Interval

_Z = 1.959963984540054
"""97.5% quantile of the normal distribution."""


def wilson_interval(count: int, n: int) -> Interval | None:
    """Return Wilson's 95% score interval of ``count`` of ``n`` (1927); None of nothing.

    A bootstrap of none of n would be 0 to 0. This one ends near 3.84 / (n + 3.84); the rule of three, 3 / n,
    is its one-sided relative (Hanley and Lippman-Hand 1983).
    """
    if n == 0:
        return None
    share, z2 = count / n, _Z * _Z
    middle = share + z2 / (2 * n)
    half = _Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    # Of none and of all the end is exact; the formula misses it by rounding.
    return 0.0 if count == 0 else low, 1.0 if count == n else high
