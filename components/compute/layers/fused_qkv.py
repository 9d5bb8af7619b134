"""Query, key and value projections of self-attention fused into one product.

The three read the same states, which one wider product packs, and in int8 quantizes, once. The modules stay
where the model looks for them: the first computes all three, the others return their slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import PackedLinear, can_pack, is_plain

_NAMES = ("q_proj", "k_proj", "v_proj")


class _FusedProjections:
    """One packed layer in place of several, with its latest input and output."""

    def __init__(self, layers: Sequence[nn.Linear], arithmetic: Arithmetic) -> None:
        weight = torch.cat([layer.weight for layer in layers])
        biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
        self.packed = PackedLinear(weight, torch.cat(biases) if biases else None, arithmetic)
        # One attribute, so that threads that share a model see an input with its own output, never another's.
        self.latest: tuple[Tensor, Tensor] | None = None


class _ProjectionSlice(nn.Module):
    """Outputs ``start:stop`` of a fused layer; the first slice computes all, the last drops them."""

    def __init__(self, fused: _FusedProjections, start: int, stop: int) -> None:
        super().__init__()
        self.fused, self._start, self._stop = fused, start, stop
        self.in_features, self.out_features = fused.packed.in_features, stop - start
        self.weight = fused.packed.weight[start:stop]

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out) of the same dtype."""
        latest = self.fused.latest
        is_cached = self._start and latest is not None and latest[0] is x
        output = latest[1] if is_cached and latest is not None else self.fused.packed(x)
        is_last_slice = self._stop == self.fused.packed.out_features
        self.fused.latest = None if is_last_slice else (x, output)
        return output[..., self._start : self._stop]


def find_fused_qkv(attention: nn.Module) -> PackedLinear:
    """Return the layer that computes query, key and value of an attention that :func:`fuse_qkv` has fused."""
    projection = attention.q_proj
    assert isinstance(projection, _ProjectionSlice)
    return projection.fused.packed


def fuse_qkv(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Fuse and pack the projections of every ``self_attn`` of ``module``, in place.

    Transformers' BART family and decoder-only models call it so. Layers that :func:`.packed_linear.prepack`
    would leave as they are stay as they are.

    Args:
        module: a model.
        arithmetic: what is multiplied.

    Returns:
        The number of layers that were replaced; 0 where :func:`.packed_linear.can_pack` is False.
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
