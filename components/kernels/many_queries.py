"""Attention of many queries, as in an encoder: see :mod:`.llvm.many_queries`."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from torch import Tensor

from components.kernels.llvm.many_queries import ARGUMENTS, WIDTH, build_many_queries, workspace_of
from components.kernels.llvm.native_code import ParallelCode, threads_for

_Arguments = ctypes.c_int64 * len(ARGUMENTS)


def attend_many(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """See :meth:`components.compute.layers.kernels.Kernels.attend`; heads of 64 float32 numbers."""
    heads, n, _ = queries.shape
    n_keys = keys.shape[1]
    queries, keys, values = (x if x.stride(2) == 1 else x.contiguous() for x in (queries, keys, values))
    threads = min(heads, threads_for(heads * n * n_keys * WIDTH))
    bias, nothing, out = bias.contiguous(), torch.zeros(WIDTH), torch.empty(n, heads * WIDTH)
    workspace = torch.empty(threads, workspace_of(n_keys))
    arguments = _Arguments(
        queries.data_ptr(), queries.stride(1), queries.stride(0), keys.data_ptr(), values.data_ptr(),
        keys.stride(1), keys.stride(0), values.stride(1), values.stride(0), bias.data_ptr(),
        nothing.data_ptr(), out.data_ptr(), workspace.data_ptr(), workspace.shape[1], heads, n, n_keys,
    )  # fmt: skip
    _compile_kernel()(arguments, threads)
    return out


@cache
def _compile_kernel() -> ParallelCode:
    return ParallelCode(build_many_queries())
