"""CPU kernels: linear layers whose weights are packed once, and attention of few queries to many keys.

Products with a packed weight are our own (:mod:`.packed_product`, compiled by :mod:`.llvm` for the processor
at hand) where it has AVX-512, else oneDNN's (:mod:`.onednn`). Why: docs/decisions/0020.
"""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

from components.kernels import onednn, packed_product

Arithmetic = Literal["float32", "bfloat16", "int8"]
Activation = Literal["none", "gelu", "relu", "silu"]

__all__ = ["Activation", "Arithmetic", "Product", "pack"]


class Product(Protocol):
    """``activation(rows @ weight.T + bias)`` with a packed weight."""

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """Multiply, without a gradient.

        Args:
            rows: (R, in) of a floating dtype, R at least 1.
            out: Contiguous float32 tensor (R, out) for the result; default: a new one.

        Returns:
            (R, out).
        """
        ...


def pack(
    weight: Tensor,
    bias: Tensor | None,
    arithmetic: Arithmetic = "float32",
    activation: Activation = "none",
    gated: bool = False,
) -> Product:
    """Copy a weight into the layout that the CPU multiplies fastest.

    ``ANTIPHON_KERNELS=onednn`` in the environment switches our own kernels off (:mod:`.backend`).

    Args:
        weight: (out, in); where ``gated``, (2 * out, in).
        bias: (out,), or (2 * out,) where ``gated``.
        arithmetic: What is multiplied; int8 weights are scaled per output, rows as they come.
        activation: Is applied to the result.
        gated: The outputs of the weight's first half are activated and multiplied with those of its second.

    Returns:
        The product with it.

    Raises:
        RuntimeError: The processor or torch lacks what the arithmetic needs.
        AttributeError: Torch lacks the operators.
    """
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    if packed_product.supports(arithmetic):
        return packed_product.PackedProduct(weight, bias, arithmetic, activation, gated)
    kind = onednn.IntegerProduct if arithmetic == "int8" else onednn.FloatProduct
    if gated:
        return onednn.GatedProduct(kind(weight, bias, arithmetic, "none"), activation)
    return kind(weight, bias, arithmetic, activation)
