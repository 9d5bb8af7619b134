"""Products of blocks of rows with a matrix each, on a card without a question of how long the blocks are.

``torch.nn.functional.grouped_mm`` is one kernel in bfloat16 only: of float16 and float32 torch 2.13 reads on
the host where the blocks end and multiplies one after the other. This operator is that loop on the CPU, and a
kernel in Triton on CUDA (:mod:`.triton_grouped_mm`). Letters in shapes: S rows in E blocks, K, N columns.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor


@cache
def has_triton() -> bool:
    """Whether Triton is installed; torch's builds for CUDA on Linux bring it."""
    return find_spec("triton") is not None


@torch.library.custom_op("antiphon::grouped_mm", mutates_args=(), device_types="cpu")
def grouped_mm(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Multiply the rows of block e by ``weights[e]``.

    Args:
        rows: (S, K).
        weights: (E, K, N).
        ends: where each block ends (E), int32, not falling; the first begins at 0.

    Returns:
        (S, N); zeros behind the last block.
    """
    out = rows.new_zeros(len(rows), weights.shape[2])
    start = 0
    for weight, end in zip(weights, ends.tolist(), strict=True):
        torch.mm(rows[start:end], weight, out=out[start:end])
        start = end
    return out


@torch.library.custom_op("antiphon::grouped_outer", mutates_args=(), device_types="cpu")
def grouped_outer(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    """Sum the outer products of the rows of each block: (S, K), (S, N) -> (E, K, N)."""
    out = left.new_zeros(len(ends), left.shape[1], right.shape[1])
    start = 0
    for product, end in zip(out, ends.tolist(), strict=True):
        torch.mm(left[start:end].T, right[start:end], out=product)
        start = end
    return out


@grouped_mm.register_kernel("cuda")
def _(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    from components.kernels.triton_grouped_mm import multiply_blocks  # noqa: PLC0415 - imports Triton

    return multiply_blocks(rows, weights, ends)


@grouped_outer.register_kernel("cuda")
def _(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    from components.kernels.triton_grouped_mm import multiply_outer  # noqa: PLC0415 - imports Triton

    return multiply_outer(left, right, ends)


@grouped_mm.register_fake
def _(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    return rows.new_empty(len(rows), weights.shape[2])


@grouped_outer.register_fake
def _(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    return left.new_empty(len(ends), left.shape[1], right.shape[1])


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    rows, weights, ends = ctx.saved_tensors
    needs_rows, needs_weights, _ = ctx.needs_input_grad
    return (
        grouped_mm(grad, weights.transpose(1, 2), ends) if needs_rows else None,
        grouped_outer(rows, grad, ends) if needs_weights else None,
        None,
    )


def _save(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


torch.library.register_autograd("antiphon::grouped_mm", _backward, setup_context=_save)
