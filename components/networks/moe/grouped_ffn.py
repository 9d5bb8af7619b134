"""The experts' products one expert after the other, and their gradients.

Each expert runs from input to output while its block is in the cache (those of a few tokens together). The
loop writes into one output and, backwards, into one gradient per weight: putting E gradients together would
cost as much as the products when tokens are few.

Memory for the gradients of the weights is reused once nothing refers to it. The C library gives large blocks
back to the system when they are freed, so the gradients of every pass would be written to fresh pages, and
for a few hundred tokens fresh pages cost as much as the products. Here the pages of a weight's last gradient
serve the next one, when all tensors that share them are gone.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.weak import WeakIdKeyDictionary

from components.compute.layers.kernels import require_kernels
from components.compute.layers.packed_linear import can_pack
from components.networks.moe.activations import ACTIVATIONS, activate_backward

MAX_SHARED_ROWS = 128
"""Rows up to which experts share the calls between their products."""
FEW_ROWS = 4
"""Rows up to which a sum of outer products is faster than a matrix product."""
LARGE_BYTES = 2**22
"""Bytes of a gradient from which on its pages are kept."""
_free_pages: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""Weight -> pages that no tensor refers to any more; they go with the weight."""


class GroupedFeedForward(torch.autograd.Function):
    """The loop over experts, with its gradients. Values before and after the activation are kept for them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *arguments: Any) -> Tensor:
        """Compute the outputs; ``arguments``: weights and biases, tokens_per_expert, activation, gated."""
        up, down, up_bias, down_bias, tokens_per_expert, activation, gated = arguments
        saved: list[Tensor] = []
        needs_gradient, act = any(ctx.needs_input_grad), ACTIVATIONS[activation].forward
        out = x.new_empty(len(x), down.shape[1])
        ups, downs, xs, outs = (
            up.unbind(0),
            down.unbind(0),
            _split_by_expert(x, tokens_per_expert),
            _split_by_expert(out, tokens_per_expert),
        )
        for group in group_experts(tokens_per_expert):
            counts = [tokens_per_expert[e] for e in group]
            inner = x.new_empty(sum(counts), up.shape[1])
            for e, part in zip(group, _split_by_expert(inner, counts), strict=True):
                _write_linear(xs[e], ups[e], None if up_bias is None else up_bias[e], part)
            hidden = activated = act(inner.chunk(2, -1)[0] if gated else inner)
            if gated:
                hidden = torch.mul(
                    activated, inner.chunk(2, -1)[1], out=None if needs_gradient else activated
                )
            for e, part in zip(group, _split_by_expert(hidden, counts), strict=True):
                _write_linear(part, downs[e], None if down_bias is None else down_bias[e], outs[e])
            saved += [inner, activated] if needs_gradient else []
        ctx.save_for_backward(x, up, down, *saved)
        ctx.settings = (tokens_per_expert, activation, gated)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients of x and of the weights; those of experts without tokens are zero."""
        x, up, down, *saved = ctx.saved_tensors
        tokens_per_expert, activation, gated = ctx.settings
        grads = [
            torch.empty_like(x),
            allocate_gradient(up, tokens_per_expert),
            allocate_gradient(down, tokens_per_expert),
        ]
        biases = [
            w.new_zeros(w.shape[:2]) if ctx.needs_input_grad[3 + i] else None
            for i, w in enumerate((up, down))
        ]
        ups, downs, gups, gdowns = (w.unbind(0) for w in (up, down, *grads[1:]))
        xs, gxs, output_grads = (_split_by_expert(t, tokens_per_expert) for t in (x, grads[0], grad))
        for group, inner, activated in zip(
            group_experts(tokens_per_expert), saved[::2], saved[1::2], strict=True
        ):
            counts = [tokens_per_expert[e] for e in group]
            activated_grad = torch.empty_like(activated)
            for e, part in zip(group, _split_by_expert(activated_grad, counts), strict=True):
                _write_input_grad(output_grads[e], downs[e], part)
            hidden = activated * inner.chunk(2, -1)[1] if gated else activated
            inner_grad = activate_backward(activated_grad, inner, activated, activation, gated)
            for e, hidden_part, inner_grad_part in zip(
                group, _split_by_expert(hidden, counts), _split_by_expert(inner_grad, counts), strict=True
            ):
                _write_weight_grad(output_grads[e], hidden_part, gdowns[e])
                _write_weight_grad(inner_grad_part, xs[e], gups[e])
                _write_input_grad(inner_grad_part, ups[e], gxs[e])
                for bias, value in zip(biases, (inner_grad_part, output_grads[e]), strict=True):
                    if bias is not None:
                        torch.sum(value, 0, out=bias[e])
        return *grads, *biases, None, None, None


def group_experts(tokens_per_expert: Sequence[int]) -> list[list[int]]:
    """Group the experts that have rows: several together where their rows are few.

    A group shares one call of the activation, and its values stay in the processor's cache.
    """
    expert_groups: list[list[int]] = []
    rows = 0
    for expert, size in enumerate(tokens_per_expert):
        rows += size
        if size and expert_groups and rows <= MAX_SHARED_ROWS:
            expert_groups[-1].append(expert)
        elif size:
            expert_groups.append([expert])
            rows = size
    return expert_groups


def _split_by_expert(rows: Tensor, sizes: Sequence[int]) -> Sequence[Tensor]:
    return rows.split_with_sizes(sizes)


def _use_kernels(x: Tensor) -> bool:
    """Whether kernels multiply: float32 on the CPU, where torch's ``mm`` takes up to a third longer."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and can_pack()


def _write_linear(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """Write ``x @ weight.T + bias`` into ``out``."""
    if _use_kernels(x):
        out.copy_(require_kernels().multiply(x, weight, bias))
    elif bias is None:
        torch.mm(x, weight.T, out=out)
    else:
        torch.addmm(bias, x, weight.T, out=out)


def _write_input_grad(grad: Tensor, weight: Tensor, out: Tensor) -> None:
    """Write ``grad @ weight`` into ``out``."""
    if len(grad) >= FEW_ROWS and _use_kernels(grad):
        out.copy_(require_kernels().multiply(grad, weight.T))
    else:
        torch.mm(grad, weight, out=out)


def _write_weight_grad(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Write ``left.T @ right`` (R, M), (R, N) into ``out`` (M, N), for small R as a sum of outer products.

    For two to four rows the matrix product takes two to four times as long (MKL, float32).
    """
    if len(left) > FEW_ROWS or left.dtype != torch.float32 or left.device.type != "cpu":
        torch.mm(left.T, right, out=out)
        return
    torch.mul(left[0, :, None], right[0], out=out)
    for row in range(1, len(left)):
        out.addcmul_(left[row, :, None], right[row])


def allocate_gradient(weight: Tensor, tokens_per_expert: Sequence[int]) -> Tensor:
    """Allocate a weight's gradient (E, ...): zero for experts without tokens, else uninitialized."""
    out = (
        _reuse_pages(weight)
        if weight.device.type == "cpu" and weight.nbytes >= LARGE_BYTES
        else torch.empty_like(weight)
    )
    for expert, size in enumerate(tokens_per_expert):
        if not size:
            out[expert].zero_()
    return out


def _reuse_pages(weight: Tensor) -> Tensor:
    free: list[mmap.mmap] = _free_pages.setdefault(weight, [])  # type: ignore[no-untyped-call]
    pages = free.pop() if free else None
    if pages is None or len(pages) != weight.nbytes:  # none yet, or the weight has another type since
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        pages = mmap.mmap(-1, weight.nbytes, **private)
    view = memoryview(pages)  # the tensor's storage holds it, and nothing else does
    weakref.finalize(view, free.append, pages).atexit = False
    return torch.frombuffer(view, dtype=weight.dtype).view(weight.shape)
