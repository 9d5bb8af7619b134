"""Attention of the rows of a search to the keys and values that they share."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from components.kernels.llvm.attention import ARGUMENTS, ROWS, build_attention
from components.kernels.llvm.ir import LANES
from components.kernels.llvm.native_code import ParallelCode, supports_native, threads_for

MAX_HEAD_WIDTH = 64
"""Numbers of a head that are held in registers."""
_Arguments = ctypes.c_int64 * len(ARGUMENTS)
CrossAttention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def cross_attention_kernel(width: int, dtype: torch.dtype) -> CrossAttention:
    """The fastest attention for heads of ``width`` numbers of ``dtype``, on the CPU, without a gradient.

    It takes queries (n, q, H, width), keys and values (n, H, S, width) and a mask (n, q or 1, S), -inf where
    nothing is seen, and gives softmax(queries @ keys.T / sqrt(width) + mask) @ values, (n, q, H * width). The
    last two dimensions of queries, keys and values are contiguous.
    """
    fits = dtype == torch.float32 and width % LANES == 0 and width <= MAX_HEAD_WIDTH
    return _attend_native if fits and supports_native() else attend


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """In torch's own operators."""
    scaled = queries.transpose(1, 2) * queries.shape[-1] ** -0.5
    weights = torch.matmul(scaled, keys.transpose(2, 3))
    weights += mask[:, None]
    return torch.matmul(weights.softmax(-1), values).transpose(1, 2).flatten(2)


def _attend_native(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    n, n_queries, heads, width = queries.shape
    n_keys = keys.shape[2]
    mask = mask.expand(n, n_queries, n_keys)
    work = n * heads
    threads = threads_for(work * n_queries * n_keys * width)
    out = torch.empty((n, n_queries, heads * width))
    workspace = torch.empty((threads, ROWS, -(-n_keys // LANES) * LANES))
    arguments = _Arguments(
        queries.data_ptr(), queries.stride(0), queries.stride(1),
        keys.data_ptr(), values.data_ptr(), keys.stride(0), keys.stride(1),
        mask.data_ptr(), mask.stride(0), mask.stride(1),
        out.data_ptr(), workspace.data_ptr(), heads, n_queries, n_keys, work,
    )  # fmt: skip
    _compile_kernel(width)(arguments, threads)
    return out


@cache
def _compile_kernel(width: int) -> ParallelCode:
    return ParallelCode(build_attention(width))
