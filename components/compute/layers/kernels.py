"""The kernels of the CPU: what computes faster than torch's own operators, found by entry points.

An entry of the group ``antiphon.kernels`` is a :class:`Kernels`; ``ANTIPHON_KERNELS`` in the environment
chooses one by its name, or ``plain`` for torch's operators alone, which compute the same texts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from components.extensions import Extensions, accept_any

VARIABLE = "ANTIPHON_KERNELS"
USUAL, PLAIN = "own", "plain"
"""What is chosen where the variable says nothing, if it is installed; and torch's operators alone."""
Arithmetic = Literal["float32", "bfloat16", "int8"]
Activation = Literal["none", "gelu", "relu", "silu"]
ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda y: y,
    "gelu": functional.gelu,
    "relu": functional.relu,
    "silu": functional.silu,
}
CrossAttention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Queries, keys, values and mask -> outputs; see :func:`.attention.attend`."""


class PackedMatmul(Protocol):
    """``activation(rows @ weight.T + bias)`` with a packed weight."""

    def __call__(self, rows: Tensor, /, out: Tensor | None = None) -> Tensor:
        """Multiply, without a gradient.

        Args:
            rows: (R, in) of a floating dtype, R at least 1.
            out: contiguous float32 tensor (R, out) for the result; default: a new one.

        Returns:
            (R, out).
        """


class Kernels(Protocol):
    """Kernels of the CPU; one that does not run on this processor says so, or leaves the work to torch."""

    def describe(self) -> str:
        """Name those that run on this processor, for the keys of what is computed."""

    def pack(
        self,
        weight: Tensor,
        bias: Tensor | None,
        arithmetic: Arithmetic = "float32",
        activation: Activation = "none",
        gated: bool = False,
    ) -> PackedMatmul:
        """Copy a weight into the layout that the CPU multiplies fastest.

        Args:
            weight: (out, in); where ``gated``, (2 * out, in).
            bias: (out,), or (2 * out,) where ``gated``.
            arithmetic: what is multiplied; int8 weights are scaled per output, rows as they come.
            activation: is applied to the result.
            gated: the outputs of the weight's first half are activated and multiplied with those of its
                second.

        Raises:
            RuntimeError: The processor or torch lacks what the arithmetic needs.
            AttributeError: Torch lacks the operators.
        """

    def multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``x @ weight.T + bias`` with a weight that is not packed; without a gradient.

        Args:
            x: (R, in).
            weight: (out, in).
            bias: (out,).
        """

    def attention(self, width: int, dtype: torch.dtype) -> CrossAttention | None:
        """Return what attends with heads of ``width`` numbers of ``dtype``; None: torch's operators do."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor | None:
        """Return softmax(queries keys^T / sqrt(width) + bias) values for many queries, without a gradient.

        Args:
            queries: (heads, n, width).
            keys: (heads, T, width).
            values: (heads, T, width).
            bias: (T,), is added to the scores of each query; -inf hides a key.

        Returns:
            (n, heads * width), or None: torch's operators do.
        """

    def exponentiate(self, scores: Tensor, out: Tensor) -> Tensor | None:
        """Return exp of scores (R, V) into ``out`` (R, V), both float32, and its sums (R, 1).

        Scores above 88 count as 88; NaN stays NaN. None: it was not done, ``out`` is as it was.
        """


KERNELS: Extensions[Kernels] = Extensions("antiphon.kernels", "kernels", accept_any)


def kernels() -> Kernels | None:
    """Return the kernels that ``ANTIPHON_KERNELS`` chooses; None: torch's operators.

    Raises:
        ValueError: the variable names none that are installed.
    """
    value = os.environ.get(VARIABLE, "")
    if value and value != PLAIN and value not in KERNELS:
        raise ValueError(f"{VARIABLE}: expected one of {', '.join([*KERNELS, PLAIN])}, found {value!r}")
    return None if value == PLAIN else KERNELS.get(value or USUAL)


def require_kernels() -> Kernels:
    """Return the same, or a RuntimeError where torch's operators are chosen."""
    cpu_kernels = kernels()
    if cpu_kernels is None:
        raise RuntimeError(f"expected kernels that pack weights, found none: see {VARIABLE}")
    return cpu_kernels
