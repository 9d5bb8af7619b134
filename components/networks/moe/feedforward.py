"""The experts' computation: E feed-forward networks over tokens sorted by expert, with gradients.

Plain: ``y = act(x U^T + b) W^T + c``; gated: ``y = (act(x G^T) * x U^T) W^T`` with G and U stacked. On the
CPU a loop over the experts that have tokens; elsewhere nothing may depend on how many tokens an expert has,
which only the device knows: batched products with the weights of each token for a few of them, else grouped
products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from components.kernels.grouped_mm import grouped_mm
from components.kernels.triton_ready import has_triton
from components.networks.moe.activations import activate
from components.networks.moe.dispatch import Dispatch
from components.networks.moe.grouped_ffn import GroupedFeedForward

FEW_SLOTS = 16
"""Slots up to which each gets a copy of its expert's weights: eight tokens with two experts."""
FEW_BYTES = 2**28
"""What these copies of a layer's first product may take."""

GroupedProduct = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Rows (S, K), a matrix for each expert (E, K, N), where their rows end (E) -> (S, N)."""


class ExpertWeights(NamedTuple):
    """Weights of E experts: ``up`` (E, F or 2F, D), ``down`` (E, D, F), biases (E, F) and (E, D) or None."""

    up: Tensor
    down: Tensor
    up_bias: Tensor | None
    down_bias: Tensor | None


def expert_feedforward(
    x: Tensor, weights: ExpertWeights, plan: Dispatch, activation: str, gated: bool
) -> Tensor:
    """Compute each block of rows by its own expert. Differentiable once; under autocast in its type.

    Args:
        x: rows (S, D), sorted by expert.
        weights: the experts' weights.
        plan: which expert each row has.
        activation: a name in :data:`~components.networks.moe.activations.ACTIVATIONS`.
        gated: whether ``up`` holds gates and values.

    Returns:
        The outputs (S, D), zeros at slots that no expert computes.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weights = x.to(dtype), ExpertWeights(*(None if w is None else w.to(dtype) for w in weights))  # type: ignore[arg-type]
    if device != "cpu" and len(x) <= FEW_SLOTS and len(x) * weights.up[0].nbytes <= FEW_BYTES:
        return feed_forward_batched(x, weights, plan, activation, gated)
    product = find_grouped_product(x, weights)
    if product is not None:
        return feed_forward_grouped(x, weights, plan, (activation, gated), product)
    n = plan.n_calls
    apply: Callable[..., Tensor] = GroupedFeedForward.apply  # which torch 2.13 does not type
    out = apply(x[:n], *weights, tuple(plan.tokens_per_expert), activation, gated)
    return functional.pad(out, (0, 0, 0, len(x) - n)) if n < len(x) else out


def find_grouped_product(x: Tensor, weights: ExpertWeights) -> GroupedProduct | None:
    """Find the product of rows that are sorted by expert with their expert's matrix; None: none here.

    That is torch's in bfloat16, which refuses rows that are no multiple of 16 bytes, and Triton's in the
    other types, of which torch would ask the device where the blocks end. Both need compute capability 8.0.
    """
    if x.device.type != "cuda" or torch.cuda.get_device_capability(x.device) < (8, 0):
        return None
    aligned = all(width % 8 == 0 for width in weights.down.shape[1:])
    if x.dtype == torch.bfloat16 and aligned and hasattr(functional, "grouped_mm"):
        return lambda rows, weight, ends: functional.grouped_mm(rows, weight, offs=ends)
    return grouped_mm if has_triton() else None


def feed_forward_batched(
    x: Tensor, weights: ExpertWeights, plan: Dispatch, activation: str, gated: bool
) -> Tensor:
    """Return :func:`expert_feedforward` with a copy of its expert's weights for every row."""
    computed = plan.computed_slots()
    experts = plan.experts if computed is None else plan.experts.clamp(max=len(plan.counts) - 1)

    def multiply(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        products = torch.bmm(weight[experts], rows[:, :, None])[:, :, 0]
        return products if bias is None else products + bias[experts]

    inner = multiply(x, weights.up, weights.up_bias)
    out = multiply(activate(inner, activation, gated), weights.down, weights.down_bias)
    return out if computed is None else out.where(computed, 0.0)


def feed_forward_grouped(
    x: Tensor, weights: ExpertWeights, plan: Dispatch, form: tuple[str, bool], product: GroupedProduct
) -> Tensor:
    """Return :func:`expert_feedforward` by grouped products; ``form``: activation, and whether it is gated.

    They may leave rows that no expert computes as they are. What stands in them may be anything, NaN as well,
    so they become zeros after every product, and so do their gradients.
    """
    computed = plan.computed_slots()
    ends = plan.counts.cumsum(0).to(torch.int32)
    experts = plan.experts if computed is None else plan.experts.clamp(max=len(plan.counts) - 1)

    def multiply(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        products = product(rows, weight.transpose(-2, -1), ends)
        products = products if bias is None else products + bias[experts]
        return products if computed is None else products.where(computed, 0.0)

    x = x if computed is None else x.where(computed, 0.0)
    inner = multiply(x, weights.up, weights.up_bias)
    return multiply(activate(inner, *form), weights.down, weights.down_bias)
