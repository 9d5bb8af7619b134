"""E feed-forward blocks over tokens sorted by expert, with gradients.

Plain: ``y = act(x U^T + b) W^T + c``; gated: ``y = (act(x G^T) * x U^T) W^T`` with G and U stacked. On
devices where torch's ``grouped_mm`` is one kernel, that; elsewhere a loop over the experts that have tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from components.experts.activations import activate
from components.experts.loop import Loop


class Weights(NamedTuple):
    """Stacked weights: ``up`` (E, F or 2F, D), ``down`` (E, D, F), biases (E, F) and (E, D) or None."""

    up: Tensor
    down: Tensor
    up_bias: Tensor | None
    down_bias: Tensor | None


def feedforward(x: Tensor, weights: Weights, sizes: Sequence[int], activation: str, gated: bool) -> Tensor:
    """Blocks of ``sizes`` rows of ``x`` (S, D), each through its own expert -> (S, D).

    Differentiable once; under autocast in its type.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weights = x.to(dtype), Weights(*(None if w is None else w.to(dtype) for w in weights))  # type: ignore[arg-type]
    if native(x, weights):
        return _native(x, weights, sizes, activation, gated)
    out: Tensor = Loop.apply(x, *weights, tuple(sizes), activation, gated)  # type: ignore[no-untyped-call]
    return out


def native(x: Tensor, weights: Weights) -> bool:
    """Whether torch's grouped_mm is one kernel here: bfloat16 on CUDA from compute capability 8.0 on.

    It refuses rows that are no multiple of 16 bytes, so D and F must be multiples of 8.
    """
    if x.device.type != "cuda" or x.dtype != torch.bfloat16 or not hasattr(functional, "grouped_mm"):
        return False
    if any(width % 8 for width in weights.down.shape[1:]):
        return False
    return torch.cuda.get_device_capability(x.device) >= (8, 0)


def _native(x: Tensor, weights: Weights, sizes: Sequence[int], activation: str, gated: bool) -> Tensor:
    counts = torch.tensor(sizes, device=x.device)
    ends = counts.cumsum(0).to(torch.int32)

    def product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = functional.grouped_mm(rows, weight.transpose(-2, -1), offs=ends)
        return out if bias is None else out + bias.repeat_interleave(counts, 0)

    inner = product(x, weights.up, weights.up_bias)
    return product(activate(inner, activation, gated), weights.down, weights.down_bias)
