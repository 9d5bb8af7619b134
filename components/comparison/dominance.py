"""Pareto dominance between systems or settings that are judged by several numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def count_dominating(values: Sequence[Sequence[float]], signs: Sequence[int]) -> list[int]:
    """Return for each point how many others are at least as good in everything and better in something.

    Fonseca and Fleming 1993; 0 on the Pareto front, and with one objective the number of better ones.

    Args:
        values: (n, objectives).
        signs: 1 for an objective of which more is better, else -1.
    """
    table = np.asarray(values, np.float64).reshape(len(values), len(signs)) * np.asarray(signs)
    is_as_good = (table[:, None] >= table[None]).all(2)  # [i, j]: i is as good as j
    is_better = (table[:, None] > table[None]).any(2)
    counts: list[int] = (is_as_good & is_better).sum(0).tolist()
    return counts
