"""Betting on the mean of bounded numbers: tests and intervals that hold at every look.

A gambler who doubts that the mean of x is at most m stakes the share lambda of his capital on every x: it is
multiplied by 1 + lambda (x - m). If the mean given the past is at most m, the capital does not grow in the
mean, so it ever exceeds 1 / alpha with probability alpha at most (Ville 1939), whenever one looks. A bound of
the mean is the last m that was not refuted so; together with that of -x it holds at all times at once with
probability 1 - alpha: a confidence sequence (Waudby-Smith and Ramdas 2024, "Estimating means of bounded
random variables by betting", JRSS B 86; Howard et al. 2021). The capital is split over shares from 0.95
down to 0.95 / 256, so that none has to be chosen (their "hedged capital"; Shafer 2021).

``expectation`` 0.6 has such tests; it needs Python 3.12, and numpy suffices.
"""

from __future__ import annotations

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray

SHARES = 0.95 * 0.5 ** np.arange(9)
"""Shares of the capital that are staked, (9,)."""
_HALVINGS = 30
"""Of the interval [-1, 1] in which a bound is looked for: to 2e-9."""


def log_capital(x: FloatArray, mean: float = 0.0) -> FloatArray:
    """Return the logarithm of the capital after each number, betting that the mean is above ``mean``.

    Args:
        x: (n,) in [-1, 1], in the order in which they came.
        mean: that is doubted, in [-1, 1].

    Returns:
        (n,) nats; 0 is the capital at the start.
    """
    shares = SHARES / (1 + max(mean, 0.0))
    paths = np.log1p(shares[:, None] * (x - mean)).cumsum(1)
    capital: FloatArray = np.logaddexp.reduce(paths, axis=0) - np.log(len(SHARES))
    return capital


def lower_bound(x: FloatArray, alpha: float) -> float:
    """Return the bound that the mean of x exceeds at all times with probability 1 - alpha.

    It is the largest mean that the capital has refuted at any time so far; capital falls as the doubted mean
    rises, so it is found by halving.
    """
    refuted, open_ = -1.0, 1.0
    for _ in range(_HALVINGS):
        middle = (refuted + open_) / 2
        if log_capital(x, middle).max(initial=0.0) >= -np.log(alpha):
            refuted = middle
        else:
            open_ = middle
    return refuted


def confidence_sequence(x: FloatArray, alpha: float) -> tuple[float, float]:
    """Return the interval that holds the mean of x at all times at once with probability 1 - alpha."""
    return lower_bound(x, alpha / 2), -lower_bound(-x, alpha / 2)


def first_refutation(x: FloatArray, alpha: float, mean: float = 0.0) -> int | None:
    """Return after how many numbers it is refuted at level alpha that the mean is at most ``mean``."""
    refuted = np.flatnonzero(log_capital(x, mean) >= -np.log(alpha))
    return int(refuted[0]) + 1 if len(refuted) else None


def further_needed(x: FloatArray, alpha: float, mean: float = 0.0) -> int | None:
    """Return how many further numbers like these refute a mean of at most ``mean``; None: they never do.

    The capital that is missing, divided by how fast the best share of those staked has grown.
    """
    shares = SHARES / (1 + max(mean, 0.0))
    growth = float(np.log1p(shares[:, None] * (x - mean)).mean(1).max(initial=0.0)) if len(x) else 0.0
    if growth <= 0:
        return None
    missing = -np.log(alpha) - float(log_capital(x, mean)[-1])
    return int(np.ceil(max(missing, 0.0) / growth))
