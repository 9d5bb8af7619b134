"""The products of experts one after the other, and their gradients.

Each expert runs from input to output while its block is in the cache (those of a few tokens together). The
loop writes into one output and, backwards, into one gradient per weight: putting E gradients together would
cost as much as the products when tokens are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from components.decoding.prepack import available
from components.experts.activations import ACTIVATIONS, activate_backward
from components.experts.gradients import gradient
from components.kernels.onednn import product

TOGETHER = 128
"""Rows up to which experts share the calls between their products."""
FEW = 4
"""Rows up to which a sum of outer products is faster than a matrix product."""


class Loop(torch.autograd.Function):
    """The loop over experts and its gradients. The values before and after the activation are kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *rest: Any) -> Tensor:
        """``rest``: up, down, up_bias, down_bias, sizes, activation, gated."""
        up, down, up_bias, down_bias, sizes, activation, gated = rest
        kept: list[Tensor] = []
        keep, act = any(ctx.needs_input_grad), ACTIVATIONS[activation].forward
        out = x.new_empty(len(x), down.shape[1])
        ups, downs, xs, outs = up.unbind(0), down.unbind(0), _blocks(x, sizes), _blocks(out, sizes)
        for group in groups(sizes):
            counts = [sizes[e] for e in group]
            inner = x.new_empty(sum(counts), up.shape[1])
            for e, part in zip(group, _blocks(inner, counts), strict=True):
                _linear(xs[e], ups[e], None if up_bias is None else up_bias[e], part)
            hidden = on = act(inner.chunk(2, -1)[0] if gated else inner)
            if gated:
                hidden = torch.mul(on, inner.chunk(2, -1)[1], out=None if keep else on)
            for e, part in zip(group, _blocks(hidden, counts), strict=True):
                _linear(part, downs[e], None if down_bias is None else down_bias[e], outs[e])
            kept += [inner, on] if keep else []
        ctx.save_for_backward(x, up, down, *kept)
        ctx.settings = (sizes, activation, gated)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and the weights; zero for experts without tokens."""
        x, up, down, *kept = ctx.saved_tensors
        sizes, activation, gated = ctx.settings
        grads = [torch.empty_like(x), gradient(up, sizes), gradient(down, sizes)]
        biases = [
            w.new_zeros(w.shape[:2]) if ctx.needs_input_grad[3 + i] else None
            for i, w in enumerate((up, down))
        ]
        ups, downs, gups, gdowns = (w.unbind(0) for w in (up, down, *grads[1:]))
        xs, gxs, given = (_blocks(t, sizes) for t in (x, grads[0], grad))
        for group, inner, on in zip(groups(sizes), kept[::2], kept[1::2], strict=True):
            counts = [sizes[e] for e in group]
            through = torch.empty_like(on)
            for e, part in zip(group, _blocks(through, counts), strict=True):
                _back(given[e], downs[e], part)
            hidden = on * inner.chunk(2, -1)[1] if gated else on
            back = activate_backward(through, inner, on, activation, gated)
            for e, ahead, behind in zip(group, _blocks(hidden, counts), _blocks(back, counts), strict=True):
                _outer(given[e], ahead, gdowns[e])
                _outer(behind, xs[e], gups[e])
                _back(behind, ups[e], gxs[e])
                for bias, value in zip(biases, (behind, given[e]), strict=True):
                    if bias is not None:
                        torch.sum(value, 0, out=bias[e])
        return *grads, *biases, None, None, None


def groups(sizes: Sequence[int]) -> list[list[int]]:
    """Experts that have rows, several together where those are few.

    A group shares its activations, which are a call for each expert otherwise; its values stay in the cache.
    """
    found: list[list[int]] = []
    rows = 0
    for expert, size in enumerate(sizes):
        rows += size
        if size and found and rows <= TOGETHER:
            found[-1].append(expert)
        elif size:
            found.append([expert])
            rows = size
    return found


def _blocks(rows: Tensor, sizes: Sequence[int]) -> Sequence[Tensor]:
    return rows.split_with_sizes(sizes)


def _onednn(x: Tensor) -> bool:
    """Whether oneDNN is to multiply: float32 on the CPU, where torch's ``mm`` takes up to a third longer."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and available()


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """``x @ weight.T + bias`` into ``out``."""
    if _onednn(x):
        out.copy_(product(x, weight, bias))
    elif bias is None:
        torch.mm(x, weight.T, out=out)
    else:
        torch.addmm(bias, x, weight.T, out=out)


def _back(grad: Tensor, weight: Tensor, out: Tensor) -> None:
    """``grad @ weight`` into ``out``."""
    if len(grad) >= FEW and _onednn(grad):
        out.copy_(product(grad, weight.T))
    else:
        torch.mm(grad, weight, out=out)


def _outer(left: Tensor, right: Tensor, out: Tensor) -> None:
    """``left.T @ right`` (R, M), (R, N) -> (M, N): a sum of outer products where few float32 rows make it.

    For two to four rows the matrix product takes two to four times as long (MKL, float32).
    """
    if len(left) > FEW or left.dtype != torch.float32 or left.device.type != "cpu":
        torch.mm(left.T, right, out=out)
        return
    torch.mul(left[0, :, None], right[0], out=out)
    for row in range(1, len(left)):
        out.addcmul_(left[row, :, None], right[row])
