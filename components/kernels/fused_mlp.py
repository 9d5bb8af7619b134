"""The first layer of a feed-forward block and its activation as one: what the layer gives is activated where
it is computed, not read and written once more.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.activations import GELUActivation, SiLUActivation

from components.kernels import Activation, Arithmetic
from components.kernels.packed_linear import PackedLinear, can_pack, is_plain

_ACTIVATION_NAMES: dict[type[nn.Module], Activation] = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    SiLUActivation: "silu",
    GELUActivation: "gelu",
}


def fuse_mlp(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Lay out every ``fc1`` of ``module`` with the ``activation_fn`` beside it, in place; how many layers.

    That is what transformers' BART family calls them. Others are left to
    :func:`components.kernels.packed_linear.prepack`.
    """
    if not can_pack(arithmetic):
        return 0
    n_fused = 0
    for block in list(module.modules()):
        layer: Any = getattr(block, "fc1", None)
        activation_module: Any = getattr(block, "activation_fn", None)
        activation = _ACTIVATION_NAMES.get(type(activation_module))
        if activation is None or not is_plain(layer):
            continue
        block.fc1 = PackedLinear(layer.weight, layer.bias, arithmetic, activation)
        block.activation_fn = nn.Identity()
        n_fused += 1
    return n_fused
