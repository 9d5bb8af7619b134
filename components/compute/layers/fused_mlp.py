"""The first layer of a feed-forward block fused with its activation, which saves a pass over the outputs."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.activations import GELUActivation, SiLUActivation

from components.compute.layers.kernels import Activation, Arithmetic
from components.compute.layers.packed_linear import PackedLinear, can_pack, is_plain

_ACTIVATION_NAMES: dict[type[nn.Module], Activation] = {
    nn.ReLU: "relu",
    nn.SiLU: "silu",
    SiLUActivation: "silu",
    GELUActivation: "gelu",
}


def fuse_mlp(module: nn.Module, arithmetic: Arithmetic = "float32") -> int:
    """Pack every ``fc1`` of ``module`` together with the ``activation_fn`` beside it, in place.

    Transformers' BART family calls them so. Other layers are left to :func:`.packed_linear.prepack`.

    Args:
        module: a model.
        arithmetic: what is multiplied.

    Returns:
        The number of layers that were replaced; 0 where :func:`.packed_linear.can_pack` is False.
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
