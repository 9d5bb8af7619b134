"""Query, key and value projections of self-attention as one product.

The three read the same states, so one wider product lays them out, and in int8 quantises them, once. The
modules stay where a model looks for them: the first computes all three, the others hand out their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from components.decoding.prepack import PackedLinear, available, is_plain
from components.kernels import Arithmetic

_NAMES = ("q_proj", "k_proj", "v_proj")


class _Joint:
    """One packed layer for several, and the latest input with what came of it."""

    def __init__(self, layers: Sequence[nn.Linear], arithmetic: Arithmetic) -> None:
        weight = torch.cat([layer.weight for layer in layers])
        biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
        self.packed = PackedLinear(weight, torch.cat(biases) if biases else None, arithmetic)
        # One attribute, so that threads that share a model see an input with its own output, never another's.
        self.latest: tuple[Tensor, Tensor] | None = None


class _Part(nn.Module):
    """The rows ``start:stop`` of a joint layer; the ``first`` part of an input computes, the last forgets."""

    def __init__(self, joint: _Joint, start: int, stop: int) -> None:
        super().__init__()
        self.joint, self._start, self._stop = joint, start, stop
        self.in_features, self.out_features = joint.packed.in_features, stop - start
        self.weight = joint.packed.weight[start:stop]

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out), same dtype."""
        latest = self.joint.latest
        known = self._start and latest is not None and latest[0] is x
        output = latest[1] if known and latest is not None else self.joint.packed(x)
        done = self._stop == self.joint.packed.out_features
        self.joint.latest = None if done else (x, output)
        return output[..., self._start : self._stop]


def joint_of(attention: nn.Module) -> PackedLinear:
    """The one layer that computes query, key and value of an attention that was joined."""
    part = attention.q_proj
    assert isinstance(part, _Part)
    return part.joint.packed


def join(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Join and lay out the projections of every ``self_attn`` of ``module``, in place; how many layers.

    That is what transformers' BART family and decoder-only models call it. Layers that
    :func:`components.decoding.prepack.prepack` would leave as they are stay so.
    """
    if not available(arithmetic):
        return 0
    joined = 0
    for path, attention in list(module.named_modules()):
        layers: list[Any] = [getattr(attention, name, None) for name in _NAMES]
        if not path.endswith("self_attn") or not all(map(is_plain, layers)):
            continue
        if len({layer.bias is None for layer in layers}) > 1:
            continue
        joint, start = _Joint(layers, arithmetic), 0
        for name, layer in zip(_NAMES, layers, strict=True):
            setattr(attention, name, _Part(joint, start, start + layer.out_features))
            start += layer.out_features
        joined += len(layers)
    return joined
