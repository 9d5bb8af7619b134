"""Our own kernels where the processor has what they need, oneDNN's where it does not."""

from __future__ import annotations

import ctypes
from functools import cache

import torch
from torch import Tensor

from components.compute.layers.kernels import Activation, Arithmetic, CrossAttention, PackedMatmul
from components.kernels import packed_product
from components.kernels.exponentials import exponentiate
from components.kernels.llvm.attention import ARGUMENTS, ROWS, build_attention
from components.kernels.llvm.ir import LANES
from components.kernels.llvm.many_queries import WIDTH
from components.kernels.llvm.native_code import ParallelCode, supports_native, threads_for
from components.kernels.many_queries import attend_many
from components.kernels.onednn import OneDnnKernels

MAX_HEAD_WIDTH = 64
"""Width of a head, at most: a query is held in registers."""
_Arguments = ctypes.c_int64 * len(ARGUMENTS)


class OwnKernels(OneDnnKernels):
    """The kernels of :mod:`.llvm`."""

    def describe(self) -> str:
        """See :meth:`.Kernels.describe`."""
        return "own" if supports_native() else super().describe()

    def pack(
        self,
        weight: Tensor,
        bias: Tensor | None,
        arithmetic: Arithmetic = "float32",
        activation: Activation = "none",
        gated: bool = False,
    ) -> PackedMatmul:
        """See :meth:`.Kernels.pack`."""
        if not packed_product.supports(arithmetic):
            return super().pack(weight, bias, arithmetic, activation, gated)
        weight, bias = weight.detach(), None if bias is None else bias.detach()
        return packed_product.PackedProduct(weight, bias, arithmetic, activation, gated)

    def attention(self, width: int, dtype: torch.dtype) -> CrossAttention | None:
        """See :meth:`.Kernels.attention`."""
        return native_attention(width, dtype)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor | None:
        """See :meth:`.Kernels.attend`."""
        fits = keys.shape[-1] == WIDTH and keys.dtype == torch.float32 and supports_native()
        return attend_many(queries, keys, values, bias) if fits and queries.shape[1] else None

    def exponentiate(self, scores: Tensor, out: Tensor) -> Tensor | None:
        """See :meth:`.Kernels.exponentiate`."""
        return exponentiate(scores, out)


def native_attention(width: int, dtype: torch.dtype) -> CrossAttention | None:
    """See :meth:`components.compute.layers.kernels.Kernels.attention`."""
    fits = dtype == torch.float32 and width % LANES == 0 and width <= MAX_HEAD_WIDTH
    return _attend_native if fits and supports_native() else None


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


KERNELS = OwnKernels()
