"""Attention by our own kernel against torch's operators."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from components.kernels.cross_attention import MAX_HEAD_WIDTH, attend, cross_attention_kernel
from components.kernels.llvm.native_code import supports_native

needs = pytest.mark.skipif(not supports_native(), reason="a processor without AVX-512")


def asked(n: int, q: int, heads: int, places: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as a decoder has them: parts of larger tensors."""
    joint = torch.randn(n, q, 3, heads, width)
    store = torch.randn(2, n, heads, places + 9, width)
    keys, values = store[:, :, :, :places]
    return joint[:, :, 1], keys, values


def hidden(n: int, q: int, places: int) -> Tensor:
    """Every query sees its own part of the places, the first one at least."""
    mask = torch.zeros(n, q, places).masked_fill(torch.rand(n, q, places) < 0.5, -torch.inf)
    mask[..., 0] = 0
    return mask


@needs
@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 12), st.integers(1, 3), st.integers(1, 70), st.sampled_from((16, 64))
)
def test_the_same_as_torch(n: int, q: int, heads: int, places: int, width: int) -> None:
    assert cross_attention_kernel(width, torch.float32) is not attend
    queries, keys, values = asked(n, q, heads, places, width)
    for mask in (hidden(n, q, places), hidden(n, 1, places), torch.zeros(n, 1, places)):
        got = cross_attention_kernel(width, torch.float32)(queries, keys, values, mask)
        torch.testing.assert_close(got, attend(queries, keys, values, mask), rtol=1e-4, atol=1e-5)


def test_plain_is_scaled_dot_product_attention() -> None:
    queries, keys, values = asked(2, 3, 4, 11, 8)
    mask = hidden(2, 3, 11)
    expected = functional.scaled_dot_product_attention(queries.transpose(1, 2), keys, values, mask[:, None])
    torch.testing.assert_close(attend(queries, keys, values, mask), expected.transpose(1, 2).flatten(2))


@needs
def test_what_is_hidden_has_no_weight() -> None:
    """Not even where its value is as large as float32 can be."""
    queries, keys, values = asked(1, 2, 1, 20, 16)
    mask = torch.zeros(1, 1, 20)
    mask[..., 7] = -torch.inf
    expected = cross_attention_kernel(16, torch.float32)(queries, keys, values, mask)
    values[:, :, 7] = 3e38
    assert torch.equal(cross_attention_kernel(16, torch.float32)(queries, keys, values, mask), expected)


@needs
def test_threads_change_nothing() -> None:
    queries, keys, values = asked(8, 5, 8, 200, 64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(
                cross_attention_kernel(64, torch.float32)(queries, keys, values, torch.zeros(8, 1, 200))
            )
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_other_widths_types_and_switched_off_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cross_attention_kernel(8, torch.float32) is attend
    assert cross_attention_kernel(64, torch.bfloat16) is attend
    assert cross_attention_kernel(2 * MAX_HEAD_WIDTH, torch.float32) is attend
    monkeypatch.setenv("ANTIPHON_KERNELS", "onednn")
    assert cross_attention_kernel(64, torch.float32) is attend
