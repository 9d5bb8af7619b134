"""What each utterance adds to the difference of two corpus scores.

A corpus score such as BLEU is no mean of utterances, so its difference is made one: the pseudo-value of
utterance i is m (F(R + d_i / 2) - F(R - d_i / 2)), where F is the score of summed statistics, R the sum of
the first m utterances' statistics, averaged over both systems, and d_i the difference of the systems'
statistics of utterance i. It is the jackknife's pseudo-value (Tukey 1958; Miller 1974) taken around the
midpoint of the two systems, as a central difference, which has two virtues: if the systems are
exchangeable, each pseudo-value is symmetric about zero given all others, so a test of that is exact; and
curvature of F drops out, so their mean is the difference of the scores to the third order. For WER of the
same references it is the difference itself.

m is where the block of 25 utterances ends that i is in: values stay what they are when utterances follow.
Early blocks are linearized where the corpus is small: the mean is off by some hundredths of a BLEU point.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray

BLOCK = 25
"""Utterances that are linearized at once."""


def pseudo_differences(
    system: FloatArray, baseline: FloatArray, score: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return the pseudo-values (n,) of the difference of two systems.

    Args:
        system: statistics of its utterances (n, k), in the order in which they came.
        baseline: the same of the other system, of the same utterances.
        score: sums (..., k) -> scores (...).
    """
    sums = ((system + baseline) / 2).cumsum(0)
    n = len(system)
    ends = np.minimum((np.arange(n) // BLOCK + 1) * BLOCK, n)
    middle, half = sums[ends - 1], (system - baseline) / 2
    return np.asarray(ends * (score(middle + half) - score(middle - half)), np.float64)
