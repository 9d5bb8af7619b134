"""The kernels of :mod:`.mixing` on CUDA, in Triton; see :mod:`.triton_grouped_mm` for how it is imported."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 4096
"""Tokens that one program reads of each member."""


@triton.jit  # type: ignore[untyped-decorator]
def _sum_block(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    scores, highest, sums, size, n_rows, n_blocks, members: tl.constexpr, block: tl.constexpr
):
    """Of every member the highest score of a block of a row, and the sum of exponentials below it."""
    row, part = tl.program_id(0), tl.program_id(1)
    token = part * block + tl.arange(0, block)
    for m in tl.static_range(members):
        values = tl.load(scores[m] + row.to(tl.int64) * size + token, mask=token < size, other=-float("inf"))
        top = tl.max(values, 0)
        base = tl.where(top == -float("inf"), 0.0, top)  # a block of forbidden tokens
        place = (m * n_rows + row) * n_blocks + part
        tl.store(highest + place, top)
        tl.store(sums + place, tl.sum(tl.exp(values - base), 0))


@triton.jit  # type: ignore[untyped-decorator]
def _mix_block(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    scores, highest, sums, weights, weight_member, weight_row, normalizers, out, size, n_rows, n_blocks,
    members: tl.constexpr, block: tl.constexpr, parts: tl.constexpr,
):  # fmt: skip
    """A block of a row of the mixture, from what the blocks of all members came to."""
    row, part = tl.program_id(0), tl.program_id(1)
    token = part * block + tl.arange(0, block)
    places = tl.arange(0, parts)
    top = tl.full((block,), -float("inf"), tl.float32)
    total = tl.zeros((block,), tl.float32)
    for m in tl.static_range(members):
        first = (m * n_rows + row) * n_blocks
        tops = tl.load(highest + first + places, mask=places < n_blocks, other=-float("inf"))
        part_sums = tl.load(sums + first + places, mask=places < n_blocks, other=0.0)
        base = tl.max(tops, 0)
        normalizer = tl.log(tl.sum(part_sums * tl.exp(tops - base), 0)) + base
        if part == 0:
            tl.store(normalizers + m * n_rows + row, normalizer)
        shift = tl.log(tl.load(weights + m * weight_member + row * weight_row)) - normalizer
        values = tl.load(scores[m] + row.to(tl.int64) * size + token, mask=token < size, other=-float("inf"))
        values += shift
        higher = tl.maximum(top, values)
        base_of_both = tl.where(higher == -float("inf"), 0.0, higher)  # no member allows the token yet
        total = total * tl.exp(top - base_of_both) + tl.exp(values - base_of_both)
        top = higher
    base_of_all = tl.where(top == -float("inf"), 0.0, top)
    tl.store(out + row.to(tl.int64) * size + token, tl.log(total) + base_of_all, mask=token < size)


def mix(scores: Sequence[Tensor], weights: Tensor) -> tuple[Tensor, Tensor]:
    """See :func:`.mixing.mix_linearly`."""
    members, (n_rows, size) = tuple(part.contiguous() for part in scores), scores[0].shape
    grid = (n_rows, triton.cdiv(size, BLOCK))
    highest = scores[0].new_empty(len(members), *grid)
    sums, out = torch.empty_like(highest), torch.empty_like(members[0])
    log_normalizers = scores[0].new_empty(len(members), n_rows)
    shape, weights = {"members": len(members), "block": BLOCK}, weights.float()
    with torch.cuda.device_of(out):  # type: ignore[no-untyped-call]  # a kernel starts on the present device
        _sum_block[grid](members, highest, sums, size, n_rows, grid[1], **shape)
        _mix_block[grid](
            members, highest, sums, weights, *weights.stride(), log_normalizers, out, size, n_rows, grid[1],
            **shape, parts=triton.next_power_of_2(grid[1]),
        )  # fmt: skip
    return out, log_normalizers
