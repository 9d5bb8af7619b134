"""Attention of many queries by our own kernels against torch's operators."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from components.compute.layers.kernels import require_kernels
from components.kernels.llvm.native_code import supports_native
from tests.processor import require

pytestmark = pytest.mark.usefixtures("own_kernels")


def draw(heads: int, n: int, n_keys: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys and values as an encoder has them, parts of larger tensors, and a bias."""
    require(supports_native(), "our own kernels")
    queries = torch.randn(n, 3, heads, 64).permute(1, 2, 0, 3)[0]
    keys, values = torch.randn(n_keys, 3, heads, 64).permute(1, 2, 0, 3)[1:]
    return queries, keys, values, torch.rand(n_keys) * 3


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    out = require_kernels().attend(queries, keys, values, bias)
    assert out is not None
    return out


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 600), st.integers(1, 600))
def test_the_same_as_torch(heads: int, n: int, n_keys: int) -> None:
    queries, keys, values, bias = draw(heads, n, n_keys)
    expected = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    torch.testing.assert_close(
        attend(queries, keys, values, bias), expected.transpose(0, 1).flatten(1), rtol=1e-4, atol=1e-5
    )


def test_no_queries_are_left_to_torch() -> None:
    assert require_kernels().attend(*draw(2, 0, 5)) is None


@pytest.mark.parametrize("score", [-2e4, 2e4])
def test_scores_far_from_zero_and_keys_that_are_hidden(score: float) -> None:
    """The largest score is where exponentials begin; what fills up a panel of keys has no weight."""
    queries, keys, values, bias = draw(2, 5, 70)
    bias += score
    bias[:60] = -torch.inf
    expected = functional.scaled_dot_product_attention(queries, keys[:, 60:], values[:, 60:])
    bias[60:] = score
    got = attend(queries, keys, values, bias)
    torch.testing.assert_close(got, expected.transpose(0, 1).flatten(1), rtol=0.01, atol=0.01)
