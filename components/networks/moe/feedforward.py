"""The experts' computation: E feed-forward networks over tokens sorted by expert, with gradients.

Plain: ``y = act(x U^T + b) W^T + c``; gated: ``y = (act(x G^T) * x U^T) W^T`` with G and U stacked. Where
torch's ``grouped_mm`` is one kernel, it is used; elsewhere a loop over the experts that have tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from components.networks.moe.activations import activate
from components.networks.moe.grouped_ffn import GroupedFeedForward


class ExpertWeights(NamedTuple):
    """Weights of E experts: ``up`` (E, F or 2F, D), ``down`` (E, D, F), biases (E, F) and (E, D) or None."""

    up: Tensor
    down: Tensor
    up_bias: Tensor | None
    down_bias: Tensor | None


def expert_feedforward(
    x: Tensor, weights: ExpertWeights, tokens_per_expert: Sequence[int], activation: str, gated: bool
) -> Tensor:
    """Compute each block of rows by its own expert. Differentiable once; under autocast in its type.

    Args:
        x: rows (S, D), sorted by expert.
        weights: the experts' weights.
        tokens_per_expert: rows of each expert's block; they sum to S.
        activation: a name in :data:`~components.networks.moe.activations.ACTIVATIONS`.
        gated: whether ``up`` holds gates and values.

    Returns:
        The outputs (S, D).
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weights = x.to(dtype), ExpertWeights(*(None if w is None else w.to(dtype) for w in weights))  # type: ignore[arg-type]
    if has_grouped_mm(x, weights):
        return _feed_forward_grouped_mm(x, weights, tokens_per_expert, activation, gated)
    out: Tensor = GroupedFeedForward.apply(x, *weights, tuple(tokens_per_expert), activation, gated)  # type: ignore[no-untyped-call]
    return out


def has_grouped_mm(x: Tensor, weights: ExpertWeights) -> bool:
    """Whether torch's grouped_mm is one kernel here: bfloat16 on CUDA from compute capability 8.0 on.

    It refuses rows that are no multiple of 16 bytes, so D and F must be multiples of 8.
    """
    if x.device.type != "cuda" or x.dtype != torch.bfloat16 or not hasattr(functional, "grouped_mm"):
        return False
    if any(width % 8 for width in weights.down.shape[1:]):
        return False
    return torch.cuda.get_device_capability(x.device) >= (8, 0)


def _feed_forward_grouped_mm(
    x: Tensor, weights: ExpertWeights, tokens_per_expert: Sequence[int], activation: str, gated: bool
) -> Tensor:
    counts = torch.tensor(tokens_per_expert, device=x.device)
    ends = counts.cumsum(0).to(torch.int32)

    def multiply(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = functional.grouped_mm(rows, weight.transpose(-2, -1), offs=ends)
        return out if bias is None else out + bias.repeat_interleave(counts, 0)

    inner = multiply(x, weights.up, weights.up_bias)
    return multiply(activate(inner, activation, gated), weights.down, weights.down_bias)
