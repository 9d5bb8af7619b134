"""Joint projections against the layers they replace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from components.compute.layers import packed_linear
from components.compute.layers.fused_qkv import fuse_qkv
from components.compute.layers.kernels import Arithmetic
from tests.processor import require

pytestmark = pytest.mark.usefixtures("packed_layers")


def attention(bias: bool, key_bias: bool | None = None) -> nn.ModuleDict:
    torch.manual_seed(0)
    layers = {
        name: nn.Linear(16, width, bias) for name, width in (("q_proj", 16), ("k_proj", 8), ("v_proj", 8))
    }
    if key_bias is not None:
        layers["k_proj"] = nn.Linear(16, 8, key_bias)
    return nn.ModuleDict({"self_attn": nn.ModuleDict(layers), "encoder_attn": nn.ModuleDict(attended())})


def attended() -> dict[str, nn.Module]:
    return {name: nn.Linear(16, 16) for name in ("q_proj", "k_proj", "v_proj")}


@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
@pytest.mark.parametrize("bias", [True, False])
def test_parts_are_the_packed_layers_in_any_order(arithmetic: Arithmetic, bias: bool) -> None:
    require(packed_linear.can_pack(arithmetic), f"products in {arithmetic}")
    model = attention(bias)
    apart = {
        name: packed_linear.PackedLinear(layer.weight, layer.bias, arithmetic)
        for name, layer in model["self_attn"].items()
    }
    assert fuse_qkv(model, arithmetic) == 3
    x, y = torch.randn(2, 3, 16), torch.randn(5, 1, 16)
    for name, states in (("q", x), ("k", x), ("v", x), ("v", y), ("k", x), ("q", y), ("k", x), ("v", y)):
        torch.testing.assert_close(model["self_attn"][f"{name}_proj"](states), apart[f"{name}_proj"](states))


def test_an_input_changed_in_place_is_computed_anew() -> None:
    model, x = attention(True), torch.randn(3, 16)
    query = model["self_attn"]["q_proj"]
    plain = nn.Linear(16, 16)
    plain.load_state_dict(query.state_dict())
    fuse_qkv(model)
    for _ in range(2):
        torch.testing.assert_close(model["self_attn"]["q_proj"](x), plain(x), rtol=1e-4, atol=1e-5)
        x.add_(1.0)


def test_other_attention_and_uneven_biases_stay() -> None:
    assert fuse_qkv(attention(True, key_bias=False)) == 0
    model = attention(False)
    before = model["encoder_attn"]["q_proj"]
    fuse_qkv(model)
    assert model["encoder_attn"]["q_proj"] is before
