"""Products of blocks of rows with a matrix each, on a card without a question of how long the blocks are.

``torch.nn.functional.grouped_mm`` is one kernel in bfloat16 only: of float16 and float32 torch 2.13 reads on
the host where the blocks end and multiplies one after the other. This operator is that loop on the CPU, and a
kernel in Triton on CUDA (:mod:`.triton_grouped_mm`). Letters in shapes: S rows in E blocks, K, N columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from components.kernels.operators import define_operator


def grouped_mm(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Multiply the rows of block e by ``weights[e]``. Differentiable once.

    Args:
        rows: (S, K).
        weights: (E, K, N).
        ends: where each block ends (E), int32, not falling; the first begins at 0.

    Returns:
        (S, N); zeros behind the last block.
    """
    apply: Callable[..., Tensor] = _Product.apply  # which torch 2.13 does not type
    return apply(rows, weights, ends)


def grouped_outer(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    """Sum the outer products of the rows of each block: (S, K), (S, N) -> (E, K, N)."""
    out: Tensor = torch.ops.antiphon.grouped_outer(left, right, ends)
    return out


class _Product(torch.autograd.Function):
    """:func:`grouped_mm` and its gradients."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights, ends)
        return torch.ops.antiphon.grouped_mm(rows, weights, ends)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, weights, ends = ctx.saved_tensors
        needs_rows, needs_weights, _ = ctx.needs_input_grad
        return (
            torch.ops.antiphon.grouped_mm(grad, weights.mT, ends) if needs_rows else None,
            grouped_outer(rows, grad, ends) if needs_weights else None,
            None,
        )


def _multiply_on_cpu(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    out = rows.new_zeros(len(rows), weights.shape[2])
    start = 0
    for weight, end in zip(weights, ends.tolist(), strict=True):
        torch.mm(rows[start:end], weight, out=out[start:end])
        start = end
    return out


def _outer_on_cpu(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    out = left.new_zeros(len(ends), left.shape[1], right.shape[1])
    start = 0
    for product, end in zip(out, ends.tolist(), strict=True):
        torch.mm(left[start:end].T, right[start:end], out=product)
        start = end
    return out


def _multiply_on_cuda(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    from components.kernels.triton_grouped_mm import multiply_blocks  # noqa: PLC0415 - imports Triton

    return multiply_blocks(rows, weights, ends)


def _outer_on_cuda(left: Tensor, right: Tensor, ends: Tensor) -> Tensor:
    from components.kernels.triton_grouped_mm import multiply_outer  # noqa: PLC0415 - imports Triton

    return multiply_outer(left, right, ends)


define_operator(
    "grouped_mm(Tensor rows, Tensor weights, Tensor ends) -> Tensor", _multiply_on_cpu, _multiply_on_cuda
)
define_operator(
    "grouped_outer(Tensor left, Tensor right, Tensor ends) -> Tensor", _outer_on_cpu, _outer_on_cuda
)
