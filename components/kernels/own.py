"""Our own kernels where the processor has what they need, oneDNN's where it does not."""

from __future__ import annotations

import torch
from torch import Tensor

from components.compute.layers.kernels import Activation, Arithmetic, CrossAttention, PackedMatmul
from components.kernels import packed_product
from components.kernels.cross_attention import native_attention
from components.kernels.exponentials import exponentiate
from components.kernels.llvm.native_code import supports_native
from components.kernels.onednn import OneDnnKernels


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

    def exponentiate(self, scores: Tensor, out: Tensor) -> Tensor | None:
        """See :meth:`.Kernels.exponentiate`."""
        return exponentiate(scores, out)


KERNELS = OwnKernels()
