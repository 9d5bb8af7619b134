"""Query, key and value projections of self-attention as one product.

The three read the same states, so one wider product lays them out, and in int8 quantises them, once. The
modules stay where a model looks for them: the first computes all three, the others hand out their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from components.kernels import Arithmetic
from components.kernels.packed_linear import PackedLinear, can_pack, is_plain

_NAMES = ("q_proj", "k_proj", "v_proj")


class _FusedProjections:
    """One packed layer for several, and the latest input with what came of it."""

    def __init__(self, layers: Sequence[nn.Linear], arithmetic: Arithmetic) -> None:
        weight = torch.cat([layer.weight for layer in layers])
        biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
        self.packed = PackedLinear(weight, torch.cat(biases) if biases else None, arithmetic)
        # One attribute, so that threads that share a model see an input with its own output, never another's.
        self.latest: tuple[Tensor, Tensor] | None = None


class _ProjectionSlice(nn.Module):
    """The rows ``start:stop`` of a joint layer; the ``first`` part of an input computes, the last forgets."""

    def __init__(self, fused: _FusedProjections, start: int, stop: int) -> None:
        super().__init__()
        self.fused, self._start, self._stop = fused, start, stop
        self.in_features, self.out_features = fused.packed.in_features, stop - start
        self.weight = fused.packed.weight[start:stop]

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), same dtype."""
        latest = self.fused.latest
        is_cached = self._start and latest is not None and latest[0] is x
        output = latest[1] if is_cached and latest is not None else self.fused.packed(x)
        is_last_slice = self._stop == self.fused.packed.out_features
        self.fused.latest = None if is_last_slice else (x, output)
        return output[..., self._start : self._stop]


def fused_qkv_of(attention: nn.Module) -> PackedLinear:
    """The one layer that computes query, key and value of an attention that was joined."""
    part = attention.q_proj
    assert isinstance(part, _ProjectionSlice)
    return part.fused.packed


def fuse_qkv(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Join and lay out the projections of every ``self_attn`` of ``module``, in place; how many layers.

    That is what transformers' BART family and decoder-only models call it. Layers that
    :func:`components.kernels.packed_linear.prepack` would leave as they are stay so.
    """
    if not can_pack(arithmetic):
        return 0
    n_fused = 0
    for path, attention in list(module.named_modules()):
        layers: list[Any] = [getattr(attention, name, None) for name in _NAMES]
        if not path.endswith("self_attn") or not all(map(is_plain, layers)):
            continue
        if len({layer.bias is None for layer in layers}) > 1:
            continue
        fused, start = _FusedProjections(layers, arithmetic), 0
        for name, layer in zip(_NAMES, layers, strict=True):
            setattr(attention, name, _ProjectionSlice(fused, start, start + layer.out_features))
            start += layer.out_features
        n_fused += len(layers)
    return n_fused
