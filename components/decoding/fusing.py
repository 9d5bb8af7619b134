"""The first layer of a feed-forward block and its activation as one: what the layer gives is activated where
it is computed, not read and written once more.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.activations import GELUActivation, SiLUActivation

from components.decoding.prepack import PackedLinear, available, is_plain
from components.kernels import Activation, Arithmetic

_KNOWN: dict[type[nn.Module], Activation] = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    SiLUActivation: "silu",
    GELUActivation: "gelu",
}


def fuse(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Lay out every ``fc1`` of ``module`` with the ``activation_fn`` beside it, in place; how many layers.

    That is what transformers' BART family calls them. Others are left to
    :func:`components.decoding.prepack.prepack`.
    """
    if not available(arithmetic):
        return 0
    fused = 0
    for block in list(module.modules()):
        layer: Any = getattr(block, "fc1", None)
        around: Any = getattr(block, "activation_fn", None)
        activation = _KNOWN.get(type(around))
        if activation is None or not is_plain(layer):
            continue
        block.fc1 = PackedLinear(layer.weight, layer.bias, arithmetic, activation)
        block.activation_fn = nn.Identity()
        fused += 1
    return fused
