"""Products of blocks of rows: the operator, its gradients, and its kernels in Triton (interpreted)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from components.kernels.grouped_mm import grouped_mm, grouped_outer

SIZES = [3, 0, 70, 5]
"""Rows of each block: none, fewer than a tile of the kernel, more than one."""


def inputs(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    ends = torch.tensor(SIZES).cumsum(0).to(torch.int32)
    rows = torch.randn(sum(SIZES) + 4, 9, generator=generator)  # four rows belong to none
    return rows.to(dtype), torch.randn(4, 9, 67, generator=generator).to(dtype), ends


def test_every_row_meets_the_matrix_of_its_block() -> None:
    rows, weights, ends = inputs()
    rows.requires_grad_()
    weights.requires_grad_()
    out = grouped_mm(rows, weights, ends)
    blocks = [e for e, size in enumerate(SIZES) for _ in range(size)]
    expected = torch.stack([row @ weights[e] for row, e in zip(rows, blocks, strict=False)])
    torch.testing.assert_close(out[: len(blocks)], expected)
    assert not out[len(blocks) :].any()
    seed = torch.linspace(-1, 1, expected.numel()).view(expected.shape).double()
    ours = torch.autograd.grad((out[: len(blocks)] * seed).sum(), (rows, weights))
    theirs = torch.autograd.grad((expected * seed).sum(), (rows, weights))
    torch.testing.assert_close(ours, theirs)
    small = [t[:5] if t is rows else t[:, :, :2] for t in (rows, weights)]
    assert torch.autograd.gradcheck(lambda r, w: grouped_mm(r, w, ends.clamp(max=5)), small)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there they are compiled: a case of the gpu marker")
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float16, 1e-2)])
def test_the_kernels_give_what_the_loop_gives(dtype: torch.dtype, bound: float) -> None:
    pytest.importorskip("triton")
    from components.kernels import triton_grouped_mm as triton_kernels

    rows, weights, ends = inputs(dtype)
    columns = weights.transpose(1, 2).contiguous().transpose(1, 2)  # as experts' weights stand
    for matrices in (weights, columns):
        ours, theirs = triton_kernels.multiply_blocks(rows, matrices, ends), grouped_mm(rows, weights, ends)
        assert ours.dtype == dtype
        torch.testing.assert_close(ours, theirs, atol=bound, rtol=bound)
    ours, theirs = (
        triton_kernels.multiply_outer(rows, rows[:, :4], ends),
        grouped_outer(rows, rows[:, :4], ends),
    )
    torch.testing.assert_close(ours, theirs, atol=8 * bound, rtol=bound)
