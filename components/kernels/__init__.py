"""Products of rows with a weight that is laid out once: the arithmetic that decoding spends its time on.

Our own (:mod:`.packed`: :mod:`.tile`, :mod:`.product` and :mod:`.quantise`, compiled by LLVM for the
processor at hand) where it has AVX-512, else oneDNN's (:mod:`.onednn`). Why: docs/decisions/0020.
"""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

from components.kernels import onednn, packed_product

Arithmetic = Literal["float32", "bfloat16", "int8"]
Activation = Literal["none", "gelu", "relu", "silu"]

__all__ = ["Activation", "Arithmetic", "Product", "pack"]


class Product(Protocol):
    """``activation(rows @ weight.T + bias)``: (R, in) of a floating dtype -> (R, out), R at least 1."""

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """Without a gradient; ``out``, contiguous and float32, is written to where it is given."""
        ...


def pack(
    weight: Tensor,
    bias: Tensor | None,
    arithmetic: Arithmetic = "float32",
    activation: Activation = "none",
    gated: bool = False,
) -> Product:
    """Lay ``weight`` (out, in) out. RuntimeError or AttributeError where torch lacks what it takes.

    ``gated``: ``weight`` is (2 * out, in), and what its first half gives is activated and multiplied with
    what its second half gives. ``ANTIPHON_KERNELS=onednn`` in the environment switches our own kernels off.
    """
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    if packed_product.supports(arithmetic):
        return packed_product.PackedProduct(weight, bias, arithmetic, activation, gated)
    kind = onednn.IntegerProduct if arithmetic == "int8" else onednn.FloatProduct
    if gated:
        return onednn.GatedProduct(kind(weight, bias, arithmetic, "none"), activation)
    return kind(weight, bias, arithmetic, activation)
