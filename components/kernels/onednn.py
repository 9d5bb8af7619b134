"""Products with weights packed by oneDNN, by way of torch's private operators.

int8: symmetric weights per output channel, activations quantized per row as they come (dynamic), as in
Dettmers et al., LLM.int8() (arXiv:2208.07339), section 3, without the outlier split.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from components.compute.instruction_sets import features
from components.compute.layers.kernels import (
    ACTIVATION_FUNCTIONS,
    Activation,
    Arithmetic,
    CrossAttention,
    PackedMatmul,
)
from components.kernels import huge_pages

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_ALGORITHMS = {"none": "", "gelu": "none", "relu": "", "silu": ""}
_NAMES = {"none": "none", "gelu": "gelu", "relu": "relu", "silu": "swish"}
MIN_ROWS, LARGE_WEIGHT = 4, 2**18
"""Fewer rows than the first are padded to it, for weights of at least the second number of elements."""
_VNNI = {"avx512vnni", "avxvnni", "amx-int8"}


def largest_int8() -> int:
    """Return to what magnitude rows are quantized: 127, or 63 on x86 without VNNI.

    Without it two products of int8 are added up in 16 bits, and two of 255 * 127 would saturate them.
    """
    return 63 if "avx2" in features() and not features() & _VNNI else 127


class FloatProduct:
    """``activation(rows @ weight.T + bias)`` in float32 or bfloat16, (R, in) -> (R, out)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, arithmetic: str, activation: str) -> None:
        if arithmetic == "bfloat16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            raise RuntimeError("expected a processor that multiplies bfloat16, found one that does not")
        self._dtype, self._activation = _DTYPES[arithmetic], activation
        self._large = weight.numel() >= LARGE_WEIGHT
        weight = weight.to(self._dtype).contiguous()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        self._bias = None if bias is None else bias.to(self._dtype).contiguous()
        _move_to_huge_pages(self._packed)

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """See :class:`.PackedMatmul`; a new result has the arithmetic's dtype."""
        n = len(rows)
        if n < MIN_ROWS and self._large:
            # One row waits for each of its additions: four take a quarter less time than one (AVX-512).
            rows = functional.pad(rows, (0, 0, 0, MIN_ROWS - n))
        name, algorithm = _NAMES[self._activation], _ALGORITHMS[self._activation]
        products = torch.ops.mkldnn._linear_pointwise(
            rows.to(self._dtype), self._packed, self._bias, name, [], algorithm
        )
        return _copy_to(out, products[:n])


class IntegerProduct:
    """The same in int8; results are float32."""

    def __init__(self, weight: Tensor, bias: Tensor | None, arithmetic: str, activation: str) -> None:
        assert arithmetic == "int8"
        weight = weight.float()
        self._activate = ACTIVATION_FUNCTIONS[activation]
        self._scale = weight.abs().amax(1).clamp_(min=1e-12) / 127
        self._zero, self._largest = torch.zeros(len(weight), dtype=torch.int32), largest_int8()
        quantized = (weight / self._scale[:, None]).round_().to(torch.int8)
        self._packed = torch.ops.onednn.qlinear_prepack(quantized, None)
        self._bias = None if bias is None else bias.float().contiguous()
        _move_to_huge_pages(self._packed)

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """See :class:`.PackedMatmul`."""
        rows = rows.float()
        largest = self._largest
        scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(largest)
        # Unsigned with a zero point of 64 or 128: the signed form has no fast kernel on CPUs without AMX.
        # Converted to int8 first, because that conversion is vectorised and the one to uint8 is not.
        quantized = (rows / scale).round_().to(torch.int8).view(torch.uint8).add_(largest + 1)
        products = torch.ops.onednn.qlinear_pointwise(
            quantized, 1.0, largest + 1, self._packed, self._scale, self._zero,
            None, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        if self._bias is None:
            products.mul_(scale)
        else:
            torch.addcmul(self._bias, products, scale, out=products)
        return _copy_to(out, self._activate(products))


class GatedProduct:
    """The first half of the outputs of ``product``, activated, times the second half."""

    def __init__(self, product: Callable[[Tensor], Tensor], activation: str) -> None:
        self._product, self._activate = product, ACTIVATION_FUNCTIONS[activation]

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """See :class:`.PackedMatmul`."""
        gate, value = self._product(rows).chunk(2, -1)
        return _copy_to(out, self._activate(gate) * value)


def _copy_to(out: Tensor | None, result: Tensor) -> Tensor:
    return result if out is None else out.copy_(result)


def _move_to_huge_pages(packed: Tensor) -> None:
    if hasattr(torch.ops.mkldnn, "data_ptr"):
        huge_pages.move_to_huge_pages(torch.ops.mkldnn.data_ptr(packed), torch.ops.mkldnn._nbytes(packed))


class OneDnnKernels:
    """oneDNN's products; the rest is torch's."""

    def describe(self) -> str:
        """See :meth:`.Kernels.describe`."""
        return "onednn"

    def pack(
        self,
        weight: Tensor,
        bias: Tensor | None,
        arithmetic: Arithmetic = "float32",
        activation: Activation = "none",
        gated: bool = False,
    ) -> PackedMatmul:
        """See :meth:`.Kernels.pack`."""
        weight, bias = weight.detach(), None if bias is None else bias.detach()
        kind = IntegerProduct if arithmetic == "int8" else FloatProduct
        if gated:
            return GatedProduct(kind(weight, bias, arithmetic, "none"), activation)
        return kind(weight, bias, arithmetic, activation)

    def multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """See :meth:`.Kernels.multiply`."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return out

    def attention(self, width: int, dtype: torch.dtype) -> CrossAttention | None:
        """Return torch's."""
        return None

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor | None:
        """Return torch's."""
        return None

    def exponentiate(self, scores: Tensor, out: Tensor) -> Tensor | None:
        """Return torch's."""
        return None


KERNELS = OneDnnKernels()
