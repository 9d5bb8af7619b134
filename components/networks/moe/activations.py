"""The activations of feed-forward networks, plain and gated, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

aten = torch.ops.aten


class Activation(NamedTuple):
    """An activation and its derivative.

    ``backward`` takes the gradient of the output, the input, and the tensor that the input's gradient is
    written to.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


SILU = Activation(
    functional.silu, lambda grad, x, out: aten.silu_backward.grad_input(grad, x, grad_input=out)
)
ACTIVATIONS: dict[str, Activation] = {
    "silu": SILU,
    "swish": SILU,
    "relu": Activation(
        functional.relu, lambda grad, x, out: aten.threshold_backward.grad_input(grad, x, 0, grad_input=out)
    ),
    "gelu": Activation(
        functional.gelu, lambda grad, x, out: aten.gelu_backward.grad_input(grad, x, grad_input=out)
    ),
}
"""Activations by the names that model configurations use."""


def activate(inner: Tensor, activation: str, gated: bool) -> Tensor:
    """Apply an activation to ``inner`` (S, F), or to gates and values (S, 2F) if ``gated``: (S, F)."""
    act = ACTIVATIONS[activation].forward
    if not gated:
        return act(inner)
    gate, up = inner.chunk(2, -1)
    return act(gate).mul_(up) if not torch.is_grad_enabled() else act(gate) * up


def activate_backward(grad: Tensor, inner: Tensor, activated: Tensor, activation: str, gated: bool) -> Tensor:
    """Compute the gradient of ``inner``.

    Args:
        grad: gradient of the activations' output (S, F), which is overwritten.
        inner: the activations' input (S, F), or gates and values (S, 2F).
        activated: the activation of the inputs, or of the gates (S, F).
        activation: its name.
        gated: whether there are gates.
    """
    backward, out = ACTIVATIONS[activation].backward, torch.empty_like(inner)
    if not gated:
        return backward(grad, inner, out)
    (gate, up), (to_gate, to_up) = inner.chunk(2, -1), out.chunk(2, -1)
    torch.mul(grad, activated, out=to_up)
    backward(grad.mul_(up), gate, to_gate)
    return out
