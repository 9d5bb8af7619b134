"""Spearman's correlation of short rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def correlate_ranks(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return Spearman's correlation (...,) of the rows (..., n) of both; 0 where a row is constant."""
    ranks = [_rank(values) for values in (first, second)]
    ranks = [each - each.mean(-1, keepdims=True) for each in ranks]
    products = (ranks[0] * ranks[1]).sum(-1)
    norms = np.sqrt((ranks[0] ** 2).sum(-1) * (ranks[1] ** 2).sum(-1))
    return np.asarray(np.divide(products, norms, out=np.zeros_like(products), where=norms > 0))


def _rank(values: FloatArray) -> NDArray[Any]:
    """Return ranks (..., n), equal values with their mean rank."""
    left, right = values[..., :, None], values[..., None, :]
    return np.asarray((left > right).sum(-1) + ((left == right).sum(-1) - 1) / 2)
