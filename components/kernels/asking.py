"""Attention of the rows of a search to the keys and values that they share."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from components.kernels.attention import ARGUMENTS, ROWS, attention
from components.kernels.ir import LANES
from components.kernels.machine import ParallelCode, threads_for, usable

WIDEST = 64
"""Numbers of a head that are held in registers."""
_Arguments = ctypes.c_int64 * len(ARGUMENTS)
Asker = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def asker(width: int, dtype: torch.dtype) -> Asker:
    """The fastest attention for heads of ``width`` numbers of ``dtype``, on the CPU, without a gradient.

    It takes queries (n, q, H, width), keys and values (n, H, S, width) and a mask (n, q or 1, S), -inf where
    nothing is seen, and gives softmax(queries @ keys.T / sqrt(width) + mask) @ values, (n, q, H * width). The
    last two dimensions of queries, keys and values are contiguous.
    """
    fits = dtype == torch.float32 and width % LANES == 0 and width <= WIDEST
    return _ours if fits and usable() else plain


def plain(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """In torch's own operators."""
    asked = queries.transpose(1, 2) * queries.shape[-1] ** -0.5
    weights = torch.matmul(asked, keys.transpose(2, 3))
    weights += mask[:, None]
    return torch.matmul(weights.softmax(-1), values).transpose(1, 2).flatten(2)


def _ours(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    n, asked, heads, width = queries.shape
    places = keys.shape[2]
    mask = mask.expand(n, asked, places)
    work = n * heads
    threads = threads_for(work * asked * places * width)
    out = torch.empty((n, asked, heads * width))
    room = torch.empty((threads, ROWS, -(-places // LANES) * LANES))
    arguments = _Arguments(
        queries.data_ptr(), queries.stride(0), queries.stride(1),
        keys.data_ptr(), values.data_ptr(), keys.stride(0), keys.stride(1),
        mask.data_ptr(), mask.stride(0), mask.stride(1),
        out.data_ptr(), room.data_ptr(), heads, asked, places, work,
    )  # fmt: skip
    _kernel(width)(arguments, threads)
    return out


@cache
def _kernel(width: int) -> ParallelCode:
    return ParallelCode(attention(width))
