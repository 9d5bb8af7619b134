"""The activations of a feed-forward block, plain and gated, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

aten = torch.ops.aten


class Activation(NamedTuple):
    """An activation and its derivative: (gradient of the output, input) -> gradient of the input."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


ACTIVATIONS: dict[str, Activation] = {
    "silu": Activation(functional.silu, aten.silu_backward.default),
    "swish": Activation(functional.silu, aten.silu_backward.default),
    "relu": Activation(functional.relu, lambda grad, x: aten.threshold_backward.default(grad, x, 0)),
    "gelu": Activation(functional.gelu, aten.gelu_backward.default),
}
"""Activations by the names that model configurations use."""


def activate(inner: Tensor, activation: str, gated: bool) -> Tensor:
    """(S, F), or (S, 2F) of gates and values, -> (S, F)."""
    act = ACTIVATIONS[activation].forward
    if not gated:
        return act(inner)
    gate, up = inner.chunk(2, -1)
    return act(gate).mul_(up) if not torch.is_grad_enabled() else act(gate) * up


def activate_backward(grad: Tensor, inner: Tensor, on: Tensor, activation: str, gated: bool) -> Tensor:
    """The gradient of ``inner``, where ``grad`` is that of the activations, which is overwritten.

    ``on`` (S, F) is the activation of the inputs, or of the gates.
    """
    backward = ACTIVATIONS[activation].backward
    if not gated:
        return backward(grad, inner)
    gate, up = inner.chunk(2, -1)
    out = torch.empty_like(inner)
    torch.mul(grad, on, out=out[:, up.shape[1] :])
    out[:, : up.shape[1]] = backward(grad.mul_(up), gate)
    return out
