"""The warping and the filter beside openai-whisper's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from numpy.typing import NDArray
from whisper import timing

from components.recognition.whisper.words.time_warping import filter_median, warp


def first_columns(path: NDArray[np.int64]) -> list[int]:
    rows, columns = path
    return [int(columns[rows == row].min()) for row in range(rows.max() + 1)]


def cheapest(cost: NDArray[np.float32]) -> float:
    """The cost of the cheapest path, cell by cell."""
    totals = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    totals[0, 0] = 0
    for i, j in np.ndindex(*cost.shape):
        totals[i + 1, j + 1] = cost[i, j] + min(totals[i, j], totals[i, j + 1], totals[i + 1, j])
    return float(totals[-1, -1])


def cost_through(cost: NDArray[np.float32], first: list[int]) -> float:
    """The cost of the cheapest path that enters each row at that column: on, from there, or one before."""
    ends = [*first[1:], cost.shape[1] - 1]
    total = 0.0
    for i, (begin, end) in enumerate(zip(first, ends, strict=True)):
        row = cost[i, begin : end + 1]
        # The next row is entered from the column above or from the one before it.
        before = float(row[:-1].sum()) if i < len(cost) - 1 and len(row) > 1 else np.inf
        total += min(float(row.sum()), before)
    return total


small = st_numpy.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.integers(-2, 2)
)


@given(small)
@settings(max_examples=100)
def test_no_path_is_cheaper_also_where_many_are_equal(cost: NDArray[np.float32]) -> None:
    first = warp(cost).tolist()
    assert first == sorted(first)
    assert cost_through(cost, first) == pytest.approx(cheapest(cost))


def test_paths_are_openai_whispers() -> None:
    for seed, shape in enumerate([(1, 1), (1, 9), (9, 1), (30, 20), (80, 1500), (80, 1500), (7, 250)]):
        cost = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        assert warp(cost).tolist() == first_columns(timing.dtw_cpu(cost.astype(np.float64)))


def test_medians_are_openai_whispers() -> None:
    for length in (1, 3, 4, 7, 500, 1500):
        values = torch.randn(3, 70, length, generator=torch.Generator().manual_seed(length))
        assert torch.equal(filter_median(values), timing.median_filter(values, 7))
