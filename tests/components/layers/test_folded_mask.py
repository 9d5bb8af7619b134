"""Counts as a feature of the keys give the attention that they give as a mask."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from components.compute.layers.folded_mask import attend, fold_keys, fold_values, prefers_folding


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-5), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]
)
def test_counts_in_the_keys_are_a_mask(dtype: torch.dtype, bound: float) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 3, t, 16, generator=generator) for t in (4, 9, 9))
    counts = torch.tensor([1.0, 4.0, 2.5, 0.0]).repeat(5)[:18].view(2, 9)  # 0: filled up, stands for none
    mask = counts.log()[:, None, None]
    expected = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
    folded = attend(q, fold_keys(k, counts.log().to(dtype)), fold_values(v))
    torch.testing.assert_close(folded.float(), expected, atol=bound, rtol=bound)
    torch.testing.assert_close(attend(q, k, v, mask.to(dtype)).float(), expected, atol=bound, rtol=bound)


def test_a_cpu_keeps_its_masks() -> None:
    assert not prefers_folding(torch.zeros(1, dtype=torch.float16))
