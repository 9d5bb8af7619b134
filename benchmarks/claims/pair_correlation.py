"""Do two properties of pairs of models go together? Pairs share models, so models are what is permuted.

A pair's value depends on both its models: 66 pairs of 12 models are far from 66 independent points. The test
permutes the models of one table (Mantel 1967), the interval draws models with replacement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.claims.verdict import Result
from components.metrics.statistics.bootstrap import SEED, FloatArray

Table = np.ndarray[Any, np.dtype[np.float64]]
"""(k, k): the value of each pair of k models, symmetric; the diagonal is not read."""
Models = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
"""(R, k): numbers of models, R times."""
_TIE = 1e-12
"""The tables' own order is one of the permutations, and its r comes by sums in another order."""


def correlate_pairs(tables: Sequence[tuple[Table, Table]], over: str, *, resamples: int = 10_000) -> Result:
    """Pearson's r over the pairs of two tables, the mean of several such pairs of tables.

    Args:
        tables: Of the same models in the same order; of two halves of the items, say, each a pair of tables.
        over: What the pairs are, in words.
        resamples: Permutations, and draws of models.
    """
    models = len(tables[0][0])
    rng = np.random.default_rng(SEED)
    first, second = np.triu_indices(models, 1)

    def mean_r(left: Models, right: Models) -> FloatArray:
        """r (R,) with rows of ``left`` (R, k) as the models of first tables, ``right`` of second ones."""
        apart = left[:, first] != left[:, second]  # no model with itself

        def centre(table: Table, orders: Models) -> FloatArray:
            values = np.where(apart, table[orders[:, first], orders[:, second]], 0)
            mean = values.sum(1, keepdims=True) / apart.sum(1, keepdims=True)
            return np.where(apart, values - mean, 0)

        pairs = [(centre(x, left), centre(y, right)) for x, y in tables]
        return np.mean([(a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1)) for a, b in pairs], axis=0)

    order = np.arange(models)[None]
    (r,) = mean_r(order, order).tolist()
    permuted = np.array([rng.permutation(models) for _ in range(resamples)])
    null = mean_r(np.repeat(order, resamples, axis=0), permuted)
    with np.errstate(invalid="ignore"):  # draws of two models alone have no r
        draws = rng.integers(models, size=(resamples, models))
        drawn = mean_r(draws, draws)
    low, high = np.nanpercentile(drawn, (2.5, 97.5)).tolist()
    p = (1 + int((np.abs(null) >= abs(r) - _TIE).sum())) / (1 + resamples)
    return Result(difference=r, interval=(low, high), p=p, detectable=2.8 * float(null.std()), over=over)


def gains_of_pairs(
    single: Sequence[Sequence[float]],
    together: Mapping[tuple[int, int], Sequence[float]],
    tokens: Sequence[float],
    part: slice = slice(None),
) -> Table:
    """Nats a token (k, k) of each two of k models together, less the mean of the two alone.

    Args:
        single: nats by model and item.
        together: nats by item of each pair of models.
        tokens: by item.
        part: of the items.
    """
    counted = float(np.sum(np.asarray(tokens)[part]))
    alone = [float(np.sum(np.asarray(row)[part])) for row in single]
    gains = np.zeros((len(single), len(single)))
    for (i, j), row in together.items():
        gain = (float(np.sum(np.asarray(row)[part])) - (alone[i] + alone[j]) / 2) / counted
        gains[i, j] = gains[j, i] = gain
    return gains
