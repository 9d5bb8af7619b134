"""Attention by our own kernel against torch's operators."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from components.compute.layers.attention import attend, cross_attention_kernel
from components.kernels.own import MAX_HEAD_WIDTH

needs = pytest.mark.usefixtures("own_kernels")


def draw_inputs(n: int, q: int, heads: int, n_keys: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as a decoder has them: parts of larger tensors."""
    joint = torch.randn(n, q, 3, heads, width)
    store = torch.randn(2, n, heads, n_keys + 9, width)
    keys, values = store[:, :, :, :n_keys]
    return joint[:, :, 1], keys, values


def hidden(n: int, q: int, n_keys: int) -> Tensor:
    """Every query sees its own part of the places, the first one at least."""
    mask = torch.zeros(n, q, n_keys).masked_fill(torch.rand(n, q, n_keys) < 0.5, -torch.inf)
    mask[..., 0] = 0
    return mask


@needs
@settings(max_examples=60)
@given(
    st.integers(1, 3), st.integers(1, 12), st.integers(1, 3), st.integers(1, 70), st.sampled_from((16, 64))
)
def test_the_same_as_torch(n: int, q: int, heads: int, n_keys: int, width: int) -> None:
    assert cross_attention_kernel(width, torch.float32) is not attend
    queries, keys, values = draw_inputs(n, q, heads, n_keys, width)
    for mask in (hidden(n, q, n_keys), hidden(n, 1, n_keys), torch.zeros(n, 1, n_keys)):
        got = cross_attention_kernel(width, torch.float32)(queries, keys, values, mask)
        torch.testing.assert_close(got, attend(queries, keys, values, mask), rtol=1e-4, atol=1e-5)


def test_plain_is_scaled_dot_product_attention() -> None:
    queries, keys, values = draw_inputs(2, 3, 4, 11, 8)
    mask = hidden(2, 3, 11)
    expected = functional.scaled_dot_product_attention(queries.transpose(1, 2), keys, values, mask[:, None])
    torch.testing.assert_close(attend(queries, keys, values, mask), expected.transpose(1, 2).flatten(2))


@needs
def test_what_is_hidden_has_no_weight() -> None:
    """Not even where its value is as large as float32 can be."""
    queries, keys, values = draw_inputs(1, 2, 1, 20, 16)
    mask = torch.zeros(1, 1, 20)
    mask[..., 7] = -torch.inf
    expected = cross_attention_kernel(16, torch.float32)(queries, keys, values, mask)
    values[:, :, 7] = 3e38
    assert torch.equal(cross_attention_kernel(16, torch.float32)(queries, keys, values, mask), expected)


@needs
def test_threads_change_nothing() -> None:
    queries, keys, values = draw_inputs(8, 5, 8, 200, 64)
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(
                cross_attention_kernel(64, torch.float32)(queries, keys, values, torch.zeros(8, 1, 200))
            )
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_other_widths_types_and_switched_off_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cross_attention_kernel(8, torch.float32) is attend
    assert cross_attention_kernel(64, torch.bfloat16) is attend
    assert cross_attention_kernel(2 * MAX_HEAD_WIDTH, torch.float32) is attend
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednn")
    assert cross_attention_kernel(64, torch.float32) is attend
