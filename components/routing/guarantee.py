"""Thresholds that bound how many bad outputs stay with the cheap system, with a stated confidence.

Learn then Test (Angelopoulos, Bates, Candès, Jordan, Lei 2021, https://arxiv.org/abs/2110.01052): each
threshold is a null hypothesis "the risk is above the limit", and only thresholds whose null is rejected may
be used. An output is bad or not, so the binomial tail (Clopper-Pearson) is an exact p-value.

Thresholds are the values of the development set itself, and at threshold x all that is *strictly* less
doubtful stays. That needs no grid fixed in advance. Let T be the point where the risk, going from the least
doubtful on, first passes the limit. Whichever value x beyond T is tested first, no value of the set lies
between T and x, so the outputs that stay at x are those that stay at T: a fixed event, whose count is
binomial with a risk of at least the limit. Fixed-sequence testing stops at the first failure, so a wrong
threshold is returned only if this one test errs. This holds with ties, too.

The guarantee is about utterances like those of the development set: independent, of one distribution.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from components.metrics.statistics.bootstrap import FloatArray
from components.routing.cost_quality import Cuts

KEPT_SHARES = 10
"""Shares (10%, 20% ... 100%) that may stay, where the risk is among those that stay."""


def bound_share_of_all(cuts: Cuts, bad: NDArray[np.bool_], risk: float, confidence: float) -> int | None:
    """Return the fewest that must escalate so that P(stays and is bad) is at most ``risk``.

    Args:
        cuts: of the development set.
        bad: whether each utterance's cheap output is bad (n,).
        risk: limit of the share, among all utterances, of bad outputs that stay.
        confidence: probability, over development sets, that the limit holds.

    Returns:
        The number of the development set's utterances that escalate; None where no threshold passes.
    """
    kept_bad = _count_kept_bad(cuts, bad)[cuts.sizes]
    passes = _p_values(kept_bad, np.full(len(kept_bad), len(cuts)), risk) <= 1 - confidence
    failures = np.flatnonzero(~passes)
    first = int(failures[-1]) + 1 if failures.size else 0  # tested from the largest size to the smallest
    return int(cuts.sizes[first]) if first < len(cuts.sizes) else None


def bound_share_of_kept(cuts: Cuts, bad: NDArray[np.bool_], risk: float, confidence: float) -> int | None:
    """Return the fewest that must escalate so that P(bad | stays) is at most ``risk``.

    This risk need not grow with the number that stays, and of few that stay nothing can be shown. So a fixed
    list of shares is tested, each at ``(1 - confidence) / KEPT_SHARES`` (Bonferroni). Given the value at a
    fixed rank, the utterances strictly beyond it are independent draws, which keeps the p-value exact.

    Args and returns: as of :func:`bound_share_of_all`.
    """
    n = len(cuts)
    stay_counts = np.rint(n * np.arange(1, KEPT_SHARES + 1) / KEPT_SHARES).astype(np.intp)
    at_least = n - stay_counts  # ties with the utterance at this rank escalate, too
    sizes = np.unique(cuts.sizes[np.searchsorted(cuts.sizes, at_least)])
    p_values = _p_values(_count_kept_bad(cuts, bad)[sizes], n - sizes, risk)
    passing = sizes[p_values <= (1 - confidence) / KEPT_SHARES]
    return int(passing[0]) if passing.size else None


def fewest_utterances(risk: float, confidence: float, tests: int = 1) -> int:
    """Return how many utterances, none of them bad, show a share below ``risk`` in one of so many tests."""
    return math.ceil(math.log((1 - confidence) / tests) / math.log(1 - risk))


def _count_kept_bad(cuts: Cuts, bad: NDArray[np.bool_]) -> FloatArray:
    """Return the bad outputs that stay, by the number that escalates (n + 1,)."""
    ordered = bad[cuts.order].astype(np.float64)
    return np.concatenate([[0.0], np.cumsum(ordered[::-1])])[::-1]


def _p_values(bad: FloatArray, n: NDArray[np.intp], risk: float) -> FloatArray:
    """Return P(at most ``bad`` of ``n`` | a share of ``risk``); 1 where there are none."""
    from scipy.stats import binom  # noqa: PLC0415 - 0.5 s, when a guarantee is learned

    return np.where(n > 0, binom.cdf(bad, n, risk), 1.0)
