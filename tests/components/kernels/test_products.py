"""Products of packed weights against plain ones in float64, by our own kernels and by oneDNN's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from components.compute.layers.kernels import Activation, Arithmetic, PackedMatmul, require_kernels
from components.compute.layers.packed_linear import PackedLinear
from components.kernels import onednn
from components.kernels.llvm.product import UNITS_PER_PASS
from components.kernels.packed_product import PackedProduct, supports
from tests.processor import require

ARITHMETICS: tuple[Arithmetic, ...] = get_args(Arithmetic)
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
NEAR = {"float32": 1e-5, "bfloat16": 0.02, "int8": 0.04}
"""How far from the product in float64, relative to its norm."""


@pytest.fixture(autouse=True)
def own_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_KERNELS", "own")


@pytest.fixture(params=["own", "onednn"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, own_allowed: None) -> str:
    monkeypatch.setenv("ANTIPHON_KERNELS", request.param)
    return str(request.param)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def packed_of(backend: str, arithmetic: Arithmetic, *arguments: object) -> PackedMatmul:
    """The product, by the wanted backend, or a skip."""
    require(backend == "onednn" or supports(arithmetic), f"our own products in {arithmetic}")
    try:
        packed = require_kernels().pack(arguments[0], arguments[1], arithmetic, *arguments[2:])  # type: ignore[arg-type]
    except (RuntimeError, AttributeError):
        require(False, f"products in {arithmetic}")
    assert isinstance(packed, PackedProduct) == (backend == "own")
    return packed


def oracle(x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation, gated: bool) -> Tensor:
    """In float64, by torch's own functions."""
    wide = functional.linear(x.double(), weight.double(), None if bias is None else bias.double())
    act = (lambda y: y) if activation == "none" else getattr(functional, activation)
    if not gated:
        return act(wide)  # type: ignore[no-any-return]
    gate, value = wide.chunk(2, -1)
    return act(gate) * value  # type: ignore[no-any-return]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_products_are_those_of_float64(
    backend: str, arithmetic: Arithmetic, activation: Activation, gated: bool
) -> None:
    torch.manual_seed(0)
    sizes = [
        (0, 70, 517),
        (1, 64, 3),
        (5, 70, 128),
        (6, 3, 33),
        (7, 130, 512),
        (40, 65, 517),
        (200, 33, 1100),
    ]
    for rows, width, size in sizes:
        weight, bias = torch.randn(width * (1 + gated), size), torch.randn(width * (1 + gated))
        x = torch.randn(rows, size)
        for added in (bias, None):
            got = packed_of(backend, arithmetic, weight, added, activation, gated)(x)
            expected = oracle(x, weight, added, activation, gated)
            assert got.shape == expected.shape
            assert (got - expected).norm() <= NEAR[arithmetic] * expected.norm() + 0.05


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 150), st.integers(1, UNITS_PER_PASS + 80))
def test_any_size(rows: int, width: int, size: int) -> None:
    require(supports("float32"), "our own products in float32")
    weight, x = torch.randn(width, size), torch.randn(rows, size)
    got = PackedProduct(weight, None, "float32", "none")(x)
    torch.testing.assert_close(got.double(), x.double() @ weight.double().t(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["own", pytest.param("onednn", marks=pytest.mark.core)], indirect=True)
def test_int8_is_exact_on_the_grid(backend: str) -> None:
    """Integers of the range that is quantized to lose nothing: the product is the integer product."""
    torch.manual_seed(1)
    largest = 127 if backend == "own" else onednn.largest_int8()
    weight, x = (torch.randint(-n, n + 1, (rows, 37)).float() for n, rows in ((127, 70), (largest, 9)))
    weight[:, 0], x[:, 0] = 127, -largest
    got = packed_of(backend, "int8", weight, None)(x)
    torch.testing.assert_close(got, x @ weight.t(), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_row_does_not_know_the_others(arithmetic: Arithmetic) -> None:
    """To the last bit, whatever the tile that it lies in, on one thread and on several."""
    product, x = packed_of("own", arithmetic, torch.randn(200, 600), torch.randn(200)), torch.randn(31, 600)
    whole = product(x)
    x[5] *= 1e4
    for row in (0, 4, 6, 30):
        assert torch.equal(product(x)[row], whole[row])
        assert torch.equal(product(x[row : row + 1])[0], whole[row])


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("rows", [9, 700])
def test_threads_change_nothing(arithmetic: Arithmetic, rows: int) -> None:
    product, x = packed_of("own", arithmetic, torch.randn(330, 1030), None, "gelu"), torch.randn(rows, 1030)
    results = []
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        results.append(product(x))
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_stays_so_and_in_its_row(arithmetic: Arithmetic, bad: float) -> None:
    product, x = packed_of("own", arithmetic, torch.randn(64, 40), None), torch.randn(8, 40)
    whole = product(x)
    x[3, 17] = bad
    got = product(x)
    assert not got[3].isfinite().any()
    got[3] = whole[3]
    assert torch.equal(got, whole)


@pytest.mark.parametrize("activation", ["silu", "gelu", "relu"])
def test_activations_over_their_range(activation: Activation) -> None:
    x = torch.linspace(-30, 30, 20001)[:, None]
    got = packed_of("own", "float32", torch.ones(1, 1), None, activation)(x)
    torch.testing.assert_close(got, getattr(functional, activation)(x), rtol=1e-6, atol=1e-6)
    ends = torch.tensor([[float("inf")], [200.0], [-200.0], [float("nan")]])
    got = packed_of("own", "float32", torch.ones(1, 1), None, activation)(ends)[:, 0]
    assert got[0] == torch.inf
    assert got[1] == 200
    assert got[2].abs() < 1e-30
    assert got[3].isnan()


def test_rows_and_weights_of_other_layouts_and_types(backend: str) -> None:
    torch.manual_seed(2)
    weight, x = torch.randn(20, 30).t(), torch.randn(20, 7).t()
    for kind in (torch.float32, torch.float64, torch.bfloat16):
        got = packed_of(backend, "float32", weight, weight[:, 3])(x.to(kind))
        expected = functional.linear(x.to(kind).float(), weight, weight[:, 3])
        torch.testing.assert_close(got.float(), expected, rtol=1e-4, atol=1e-4)


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match="expected rows of 20 numbers, found 10"):
        packed_of("own", "float32", torch.randn(70, 20), None)(torch.randn(4, 10))


def test_a_copy_of_a_module_shares_its_product() -> None:
    require(supports("float32"), "our own products in float32")
    layer, x = PackedLinear(torch.randn(70, 20)), torch.randn(3, 20)
    expected = layer(x)
    twin = copy.deepcopy(layer)
    del layer
    assert torch.equal(twin(x), expected)


def test_few_rows_of_a_large_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN's rows are filled up."""
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednn")
    weight, x = torch.randn(512, 512), torch.randn(3, 512)
    assert weight.numel() == onednn.LARGE_WEIGHT
    got = packed_of("onednn", "float32", weight, None)(x)
    torch.testing.assert_close(got, x @ weight.t(), rtol=1e-4, atol=1e-4)


def test_bfloat16_needs_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(RuntimeError, match="expected a processor that multiplies bfloat16"):
        onednn.FloatProduct(torch.randn(4, 4), None, "bfloat16", "none")
