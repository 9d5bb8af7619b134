"""Clipped matches of bags of n-grams, all pairs at once, or of each bag with an average bag.

An n-gram that occurs k times becomes k different items, so the clipped matches of two bags are the items that
both have: those of all pairs are one matrix product, and their expectation over weighted references is a sum
of the items' expectations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def count_clipped_matches(bags: Sequence[Sequence[Any]], others: Sequence[Sequence[Any]]) -> Matrix:
    """Count clipped matches of every bag of items with every other, (m, n): sums of the smaller counts."""
    columns_of_items: dict[Any, int] = {}
    rows, columns = number_items(bags, columns_of_items)
    if bags is others or bags == others:
        other_rows, other_columns = rows, columns
    else:
        other_rows, other_columns = number_items(others, columns_of_items)
    size = max(len(columns_of_items), 1)
    table = _incidence(rows, columns, (len(bags), size))
    other_table = table if other_rows is rows else _incidence(other_rows, other_columns, (len(others), size))
    return (table @ other_table.T).astype(np.float64)  # counts below 2**24 are exact in float32


def number_items(
    bags: Sequence[Sequence[Any]], columns_of_items: dict[Any, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column of each item of each bag; an item's k-th occurrence has its own column.

    Args:
        bags: bags of items, a row each.
        columns_of_items: the columns so far, which grow.
    """
    rows: list[int] = []
    columns: list[int] = []
    for number, bag in enumerate(bags):
        counts: dict[Any, int] = {}
        for item in bag:
            counts[item] = nth = counts.get(item, 0) + 1
            key = item if nth == 1 else (item, nth)
            columns.append(columns_of_items.setdefault(key, len(columns_of_items)))
        rows += [number] * len(bag)
    return np.array(rows, np.int64), np.array(columns, np.int64)


def _incidence(
    rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    table = np.zeros(shape, np.float32)
    table[rows, columns] = 1.0
    return table


def expect_clipped_matches(bags: Sequence[Sequence[Any]], weights: Matrix) -> Matrix:
    """Return the expected clipped matches of every bag with references that are the bags themselves, (n, k).

    Exactly ``count_clipped_matches(bags, bags) @ weights.T``, in time linear in the number of bags.

    Args:
        bags: n bags of items.
        weights: (k, n) weight of every bag as a reference, k times.
    """
    columns_of_items: dict[Any, int] = {}
    rows, columns = number_items(bags, columns_of_items)
    expected = [
        np.bincount(
            rows,
            np.bincount(columns, row[rows], len(columns_of_items))[columns],
            len(bags),
        )
        for row in weights
    ]
    return np.stack(expected, 1)
