"""No kernel gives a subnormal number to the next one, whatever the calling thread's own setting is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from components.compute.layers.attention import cross_attention_kernel
from components.compute.layers.fused_mlp import fuse_mlp
from components.ensembling.token_level.fused_interpolation import mix_linearly, mix_log_linearly
from components.kernels.exponentials import exponentiate
from components.kernels.llvm.activations import ACTIVATIONS
from components.kernels.llvm.native_code import supports_native
from components.kernels.llvm.tile import UNIT_KINDS
from components.kernels.packed_product import PackedProduct, supports
from components.kernels.task_vectors import weighted_sum
from tests.components.layers.test_fused_mlp import Block

pytestmark = pytest.mark.skipif(not supports_native(), reason="a processor without AVX-512")
SUBNORMAL = 1e-39
SCALES = (1, 8, 64)


class Count(NamedTuple):
    """Numbers, and those of them that are subnormal."""

    numbers: int
    subnormal: int


def count_subnormals(values: Any) -> Count:
    """Count the numbers of tensors in a nested structure, by their bits: floats may be flushed."""
    numbers, subnormal = 0, 0
    for leaf in pytree.tree_leaves(values):
        if isinstance(leaf, Tensor) and leaf.dtype in (torch.float32, torch.bfloat16):
            bits = leaf.detach().float().view(torch.int32) & 0x7FFFFFFF  # exact, also of bfloat16
            numbers += bits.numel()
            subnormal += int(((bits > 0) & (bits < 1 << 23)).sum())
    return Count(numbers, subnormal)


def test_the_count_is_that_of_the_bits() -> None:
    values = [torch.tensor([1.0, 0.0, -1e-39, torch.inf]), torch.tensor([1e-39, -torch.nan]).bfloat16()]
    assert count_subnormals([values, {"ids": torch.tensor([3])}]) == (6, 2)


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
    torch.set_flush_denormal(False)


def identity_product(arithmetic: str, activation: str, gated: bool = False) -> PackedProduct:
    """Activates its inputs, 64 wide; ``gated``: and multiplies them with themselves."""
    if not supports(arithmetic):
        pytest.skip(f"no {arithmetic} kernel on this processor")
    return PackedProduct(torch.eye(64).repeat(1 + gated, 1), None, arithmetic, activation, gated)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("arithmetic", UNIT_KINDS)
def test_products_and_activations(arithmetic: str, activation: str, gated: bool, scale: int) -> None:
    rows = scale * torch.randn(500, 64)
    product = identity_product(arithmetic, activation, gated)
    assert count_subnormals(product(rows)) == (32_000, 0)
    assert count_subnormals(product(rows * 1e-38)).subnormal == 0
    assert count_subnormals(product._units_of(rows)).subnormal == 0  # quantized, with their scales


@pytest.mark.parametrize("scale", SCALES)
def test_exponentials_and_mixtures(scale: int) -> None:
    scores = [(scale * torch.randn(20, 4096)).log_softmax(-1) for _ in range(2)]
    out = torch.empty_like(scores[0])
    sums = exponentiate(scores[0], out)
    mixed = [mix(scores, torch.full((2, 20), 0.5)) for mix in (mix_linearly, mix_log_linearly)]
    assert count_subnormals((out, sums, mixed)).subnormal == 0


@pytest.mark.parametrize("scale", SCALES)
def test_attention(scale: int) -> None:
    """A key whose weight would be 1e-41 has none: its value of 1e38 would show."""
    attend = cross_attention_kernel(64, torch.float32)
    queries = scale * torch.randn(2, 7, 4, 64)
    keys, values = torch.randn(2, 4, 50, 64), torch.randn(2, 4, 50, 64)
    mask = torch.zeros(2, 1, 50)
    assert count_subnormals(attend(queries, keys, values, mask)).subnormal == 0
    keys, values[:, :, 7], mask[..., 7] = 0 * keys, 1e38, -94.0
    expected = values[:, :, [n for n in range(50) if n != 7]].mean(2).flatten(1)
    torch.testing.assert_close(attend(queries, keys, values, mask), expected[:, None].expand(-1, 7, -1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", SCALES)
def test_a_feed_forward_block(scale: int, dtype: torch.dtype) -> None:
    block = Block("gelu")
    assert fuse_mlp(block) == 1
    inner = block.fc1(scale * torch.randn(500, 24).to(dtype) * 5)
    assert inner.dtype == dtype
    assert count_subnormals(inner) == (20_000, 0)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_caller_decides_nothing(threads: int, activation: str) -> None:
    """Its setting changes no result, and is what it was on every thread."""
    product = identity_product("float32", activation)
    rows = (
        torch.randn(2000, 64) * torch.tensor([SUBNORMAL, 1e-38, 1e-20, 1, 20])[torch.randint(5, (2000, 64))]
    )
    results, subnormal = [], torch.full((200_000,), SUBNORMAL)
    for flushes in (False, True):
        torch.set_flush_denormal(flushes)
        before = count_subnormals(subnormal * 1)
        results.append(product(rows))
        assert count_subnormals(subnormal * 1) == before
    assert torch.equal(*results)
    assert threads > 1 or before == (200_000, 0)


def test_subnormal_inputs_and_weights_count_as_zero() -> None:
    weight = torch.full((64, 64), SUBNORMAL)
    assert PackedProduct(weight, None, "float32", "none")(torch.full((3, 64), 1e5)).eq(0).all()
    product = PackedProduct(1e5 * torch.eye(64), None, "float32", "none")
    assert product(torch.full((3, 64), SUBNORMAL)).eq(0).all()


def test_merging_keeps_subnormal_weights(threads: int) -> None:
    model = torch.full((200_003,), SUBNORMAL)
    for flushes in (False, True):
        torch.set_flush_denormal(flushes)
        assert (
            weighted_sum([model.clone(), model], [0.5, 0.5], None)
            .view(torch.int32)
            .equal(model.view(torch.int32))
        )
