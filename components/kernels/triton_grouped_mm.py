"""The kernels of :mod:`.grouped_mm` on CUDA, in Triton.

Imported where they run: Triton reads at import whether it compiles or interprets (``TRITON_INTERPRET=1``, as
the tests do). Sums are in float32; float32 is multiplied in TF32 where torch's products are.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 64
"""Rows and columns of what one program computes."""
DEPTH = 32
"""Columns that are multiplied at a time."""


@triton.jit  # type: ignore[untyped-decorator]
def _multiply_block(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    rows, weights, out, ends, experts, firsts,
    n_experts, depth, columns,
    row_stride, column_stride, weight_stride, weight_row, weight_column,
    precision: tl.constexpr, tile: tl.constexpr, step: tl.constexpr,
):  # fmt: skip
    """Rows ``firsts[p]`` and on of block ``experts[p]`` times its matrix, ``tile`` rows and columns."""
    expert = tl.load(experts + tl.program_id(0))
    if expert < n_experts:
        row = tl.load(firsts + tl.program_id(0)) + tl.arange(0, tile)
        column = tl.program_id(1) * tile + tl.arange(0, tile)
        is_row, is_column = row < tl.load(ends + expert), column < columns
        total = tl.zeros((tile, tile), dtype=tl.float32)
        for start in range(0, depth, step):
            inner = start + tl.arange(0, step)
            left = tl.load(
                rows + row[:, None].to(tl.int64) * row_stride + inner[None, :] * column_stride,
                mask=is_row[:, None] & (inner[None, :] < depth), other=0.0,
            )  # fmt: skip
            right = tl.load(
                weights + expert.to(tl.int64) * weight_stride + inner[:, None] * weight_row
                + column[None, :] * weight_column,
                mask=(inner[:, None] < depth) & is_column[None, :], other=0.0,
            )  # fmt: skip
            total += tl.dot(left, right, input_precision=precision)
        place = out + row[:, None].to(tl.int64) * columns + column[None, :]
        tl.store(place, total.to(out.dtype.element_ty), mask=is_row[:, None] & is_column[None, :])


@triton.jit  # type: ignore[untyped-decorator]
def _multiply_outer(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    left, right, out, starts, ends, height, width,
    left_row, left_column, right_row, right_column,
    precision: tl.constexpr, tile: tl.constexpr, step: tl.constexpr,
):  # fmt: skip
    """A tile of the sum of outer products of the rows of one block."""
    expert = tl.program_id(0)
    line, column = (
        tl.program_id(1) * tile + tl.arange(0, tile),
        tl.program_id(2) * tile + tl.arange(0, tile),
    )
    is_line, is_column = line < height, column < width
    end = tl.load(ends + expert)
    total = tl.zeros((tile, tile), dtype=tl.float32)
    for start in range(tl.load(starts + expert), end, step):
        row = start + tl.arange(0, step)
        lefts = tl.load(
            left + row[None, :].to(tl.int64) * left_row + line[:, None] * left_column,
            mask=is_line[:, None] & (row[None, :] < end), other=0.0,
        )  # fmt: skip
        rights = tl.load(
            right + row[:, None].to(tl.int64) * right_row + column[None, :] * right_column,
            mask=(row[:, None] < end) & is_column[None, :], other=0.0,
        )  # fmt: skip
        total += tl.dot(lefts, rights, input_precision=precision)
    place = out + (expert.to(tl.int64) * height + line[:, None]) * width + column[None, :]
    tl.store(place, total.to(out.dtype.element_ty), mask=is_line[:, None] & is_column[None, :])


def multiply_blocks(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """See :func:`.grouped_mm.grouped_mm`.

    How many tiles each block has is known on the device only. So there are as many programs as there could be
    tiles, one for each part of a block; those left over end at once.
    """
    n_experts, depth, columns = weights.shape
    starts = _starts_of(ends)
    n_tiles = (ends - starts + TILE - 1) // TILE
    last = n_tiles.cumsum(0)
    programs = torch.arange(triton.cdiv(len(rows), TILE) + n_experts, device=rows.device)
    experts = torch.searchsorted(last, programs, right=True)
    known = experts.clamp(max=n_experts - 1)
    firsts = starts[known] + (programs - (last - n_tiles)[known]) * TILE
    out = rows.new_zeros(len(rows), columns)
    grid = (len(programs), triton.cdiv(columns, TILE))
    with torch.cuda.device_of(rows):  # type: ignore[no-untyped-call]  # a kernel starts on the present device
        _multiply_block[grid](
            rows, weights, out, ends, experts.to(torch.int32), firsts.to(torch.int32),
            n_experts, depth, columns, *rows.stride(), *weights.stride(),
            precision=_precision(), tile=TILE, step=DEPTH,
        )  # fmt: skip
    return out


def multiply_outer(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    """See :func:`.grouped_mm.grouped_outer`."""
    height, width = left.shape[1], right.shape[1]
    out = left.new_empty(len(ends), height, width)
    grid = (len(ends), triton.cdiv(height, TILE), triton.cdiv(width, TILE))
    with torch.cuda.device_of(left):  # type: ignore[no-untyped-call]
        _multiply_outer[grid](
            left, right, out, _starts_of(ends), ends, height, width, *left.stride(), *right.stride(),
            precision=_precision(), tile=TILE, step=DEPTH,
        )  # fmt: skip
    return out


def _starts_of(ends: Tensor) -> Tensor:
    return torch.cat([ends.new_zeros(1), ends[:-1]])


def _precision() -> str:
    return "ieee" if torch.get_float32_matmul_precision() == "highest" else "tf32"
