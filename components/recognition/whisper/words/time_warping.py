"""Dynamic time warping and the median filter before it, as in openai-whisper's ``timing.py``.

openai-whisper compiles its warping by numba in every process, 1.6 s, which is longer than a short recording
takes; here it goes row by row in numpy. The median of seven goes through a network of minima and maxima in
blocks that stay in the processor's cache: 9 ms where sorting takes 140 ms (8 heads, 100 tokens, 30 s).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MEDIAN_WIDTH = 7
"""Frames of the median filter: openai-whisper's."""
_NETWORK = (
    (0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6), (2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4),
)  # fmt: skip
"""Comparisons after which the fourth of seven numbers is their median (Devillard, 1998, ``opt_med7``)."""
_BLOCK = 1 << 16
"""Numbers that go through the network together on the CPU: nine buffers of them stay in the cache."""


def filter_median(values: Tensor) -> Tensor:
    """Return the median of every seven neighbors along the last dimension, (H, N, M), mirrored at its ends.

    Fewer than four columns are given back as they are, as in openai-whisper.
    """
    half, length = MEDIAN_WIDTH // 2, values.shape[-1]
    if length <= half:
        return values
    padded = torch.nn.functional.pad(values, (half, half, 0, 0), mode="reflect").flatten(0, -2)
    rows = max(1, _BLOCK // length) if values.device.type == "cpu" else len(padded)
    return torch.cat([_median_of_seven(part) for part in torch.split(padded, rows)]).view_as(values)


def _median_of_seven(padded: Tensor) -> Tensor:
    """(R, M + 6) -> medians (R, M)."""
    length = padded.shape[-1] - MEDIAN_WIDTH + 1
    wires = [padded[:, i : i + length] for i in range(MEDIAN_WIDTH)]
    for low, high in _NETWORK:
        wires[low], wires[high] = (
            torch.minimum(wires[low], wires[high]),
            torch.maximum(wires[low], wires[high]),
        )
    return wires[MEDIAN_WIDTH // 2]


def warp(cost: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the columns at which the cheapest monotone path through ``cost`` (N, M) enters each row, (N,).

    The path goes from the first cell to the last by steps of one row, one column, or both.
    """
    sums = np.cumsum(cost, axis=1, dtype=np.float64)
    before = sums - cost
    totals = np.empty_like(sums)
    totals[0] = sums[0]
    above = np.empty(cost.shape[1])
    for i in range(1, len(cost)):
        # A cell costs the least way in from the row above, and the cells of this row from there to it.
        above[0] = totals[i - 1, 0]
        np.minimum(totals[i - 1, 1:], totals[i - 1, :-1], out=above[1:])
        np.add(sums[i], np.minimum.accumulate(above - before[i]), out=totals[i])
    return _first_columns(totals)


def _first_columns(totals: NDArray[np.float64]) -> NDArray[np.int64]:
    """Walk back from the last cell over ``totals``, the costs of the cheapest paths to each cell."""
    from_both, from_above, from_left = totals[:-1, :-1], totals[:-1, 1:], totals[1:, :-1]
    along = (from_left <= np.minimum(from_both, from_above)).tolist()
    both = (from_both <= from_above).tolist()
    i, j = totals.shape[0] - 1, totals.shape[1] - 1
    first = np.zeros(len(totals), np.int64)
    while i > 0:
        if j > 0 and along[i - 1][j - 1]:
            j -= 1
            continue
        first[i] = j
        j -= j > 0 and both[i - 1][j - 1]
        i -= 1
    return first
