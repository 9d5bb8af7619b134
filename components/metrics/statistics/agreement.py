"""How far annotators agree: Krippendorff's alpha for numbers.

1 is full agreement, 0 that of scores shuffled over all items; below 0 annotators contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def krippendorff_alpha(judgements: Iterable[Sequence[float]]) -> float | None:
    """Return alpha of interval data: 1 - observed / expected squared differences (Krippendorff 2011).

    Args:
        judgements: the values of each item, by as many annotators as judged it.

    Returns:
        None where no item has two values, or all values are equal, so that nothing could be disagreed on.
    """
    rows = [np.asarray(values, np.float64) for values in judgements if len(values) > 1]
    if not rows:
        return None
    values = np.concatenate(rows)
    if not np.ptp(values):
        return None
    n = len(values)
    observed = sum(_sum_squared_differences(row) / (len(row) - 1) for row in rows) / n
    expected = _sum_squared_differences(values) / (n * (n - 1))
    return float(1 - observed / expected)


def _sum_squared_differences(values: np.ndarray) -> float:
    """The sum of (a - b)^2 over all ordered pairs: twice n times the squared deviations from the mean."""
    return float(2 * len(values) * np.square(values - values.mean()).sum())
