from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from components.compute.layers import kernels, packed_linear
from components.compute.layers.kernels import Activation, Arithmetic
from components.compute.torch_facts import describe_kernels
from components.extensions import Extensions
from components.kernels import onednn
from tests.processor import require

needs = pytest.mark.usefixtures("packed_layers")


@needs
@pytest.mark.parametrize("shape", [(1, 32), (5, 32), (2, 3, 32), (0, 32)])
@pytest.mark.parametrize("bias", [True, False])
def test_float32_equals_the_plain_layer(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(1)
    layer, x = nn.Linear(32, 48, bias=bias), torch.randn(shape)
    packed = packed_linear.PackedLinear(layer.weight, layer.bias)
    with torch.no_grad():
        torch.testing.assert_close(packed(x), layer(x), rtol=1e-5, atol=1e-5)


@needs
@pytest.mark.parametrize("activation", ["gelu", "relu"])
@pytest.mark.parametrize("arithmetic", ["float32", "bfloat16", "int8"])
def test_activation_and_arithmetic(activation: Activation, arithmetic: Arithmetic) -> None:
    require(packed_linear.can_pack(arithmetic), f"products in {arithmetic}")
    torch.manual_seed(2)
    weight, bias, x = torch.randn(64, 128), torch.randn(64), torch.randn(7, 128)
    expected = getattr(functional, activation)(functional.linear(x, weight, bias))
    got = packed_linear.PackedLinear(weight, bias, arithmetic, activation)(x)
    assert got.dtype == x.dtype
    relative = ((got - expected).norm() / expected.norm()).item()
    assert relative < {"float32": 1e-5, "bfloat16": 0.01, "int8": 0.02}[arithmetic]


@needs
def test_strided_input_and_bias() -> None:
    """The operator itself reads a strided bias wrongly."""
    weight, x = torch.randn(8, 16), torch.randn(16, 5).t()
    bias = weight[:, 3]
    expected = functional.linear(x, weight, bias)
    torch.testing.assert_close(packed_linear.PackedLinear(weight, bias)(x), expected, rtol=1e-5, atol=1e-5)


@needs
def test_a_product_with_a_weight_as_it_is() -> None:
    """Also where neither is contiguous, and where rows are one and the same (the gradient of a sum)."""
    torch.manual_seed(3)
    weight, bias, x = torch.randn(64, 96), torch.randn(64), torch.randn(96, 7).t()
    torch.testing.assert_close(onednn.KERNELS.multiply(x, weight, bias), functional.linear(x, weight, bias))
    row = torch.randn(1, 64).expand(7, 64)
    torch.testing.assert_close(onednn.KERNELS.multiply(row, weight.t()), row @ weight)


@needs
def test_prepack_replaces_in_place() -> None:
    torch.manual_seed(5)
    model = nn.ModuleDict({"a": nn.Linear(8, 8), "b": nn.Sequential(nn.Linear(8, 4), nn.ReLU())})
    x = torch.randn(3, 8)
    expected = model["b"](model["a"](x))
    assert packed_linear.prepack(model) == 2
    torch.testing.assert_close(model["b"](model["a"](x)), expected, rtol=1e-5, atol=1e-5)
    assert model["a"].weight.shape == (8, 8)
    assert packed_linear.prepack(model) == 0, "the second call finds nothing left"


def test_fallback_where_the_operators_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "can_pack", lambda *_: False)
    model, x = nn.Sequential(nn.Linear(4, 4)), torch.randn(2, 4)
    assert packed_linear.prepack(model) == 0
    plain = packed_linear.build_linear(model[0].weight, model[0].bias, "int8", "gelu")
    torch.testing.assert_close(plain(x), functional.gelu(model(x)))


def test_available_is_false_when_the_result_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        packed_linear.PackedLinear, "forward", lambda self, x: torch.full((3, 24), float("nan"))
    )
    assert packed_linear._agrees.__wrapped__("float32") is False


def test_environment_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_KERNELS", "plain")
    assert not packed_linear.can_pack()
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednm")
    with pytest.raises(ValueError, match="expected one of onednn, own, plain, found 'onednm'"):
        packed_linear.can_pack()


@needs
def test_tied_output_layer_keeps_the_embedding() -> None:
    embedding, head = nn.Embedding(12, 6), nn.Linear(6, 12, bias=False)
    head.weight = embedding.weight
    model = nn.ModuleList([embedding, head])
    before = embedding.weight.clone()
    packed_linear.prepack(model)
    torch.testing.assert_close(embedding.weight, before)
    with torch.no_grad():
        x = torch.randn(2, 6)
        torch.testing.assert_close(model[1](x), x @ before.t(), rtol=1e-5, atol=1e-5)


def test_where_no_kernels_are_installed_torch_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Extensions[Any] = Extensions("antiphon.none", "kernels", lambda name, value, found: found)
    monkeypatch.setattr(kernels, "KERNELS", nothing)
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    assert describe_kernels() == "plain"
    assert not packed_linear.can_pack("float32")
