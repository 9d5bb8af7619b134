"""E feed-forward blocks over tokens sorted by expert, with gradients.

Plain: ``y = act(x U^T + b) W^T + c``; gated: ``y = (act(x G^T) * x U^T) W^T`` with G and U stacked. On
devices where torch's ``grouped_mm`` is one kernel, that; elsewhere a loop over the experts that have tokens,
from input to output while its block is in the cache (those of a few tokens together). The loop writes into
one output and, backwards, into one gradient per weight: putting E gradients together would cost as much as
the products when tokens are few.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

aten = torch.ops.aten
LARGE = 2**22
"""Bytes of a gradient from which on its pages are asked from the system."""
TOGETHER = 128
"""Rows up to which experts share the calls between their products."""
FEW = 4
"""Rows up to which a sum of outer products is faster than a matrix product."""


class Activation(NamedTuple):
    """An activation and its derivative: (gradient of the output, input) -> gradient of the input."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


ACTIVATIONS: dict[str, Activation] = {
    "silu": Activation(functional.silu, aten.silu_backward),
    "swish": Activation(functional.silu, aten.silu_backward),
    "relu": Activation(functional.relu, lambda grad, x: aten.threshold_backward(grad, x, 0)),
    "gelu": Activation(functional.gelu, aten.gelu_backward),
}
"""Activations by the names that model configurations use."""


class Weights(NamedTuple):
    """Stacked weights: ``up`` (E, F or 2F, D), ``down`` (E, D, F), biases (E, F) and (E, D) or None."""

    up: Tensor
    down: Tensor
    up_bias: Tensor | None
    down_bias: Tensor | None


def feedforward(x: Tensor, weights: Weights, sizes: Sequence[int], activation: str, gated: bool) -> Tensor:
    """Blocks of ``sizes`` rows of ``x`` (S, D), each through its own expert -> (S, D).

    Differentiable once; under autocast in its type.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weights = x.to(dtype), Weights(*(None if w is None else w.to(dtype) for w in weights))  # type: ignore[arg-type]
    if native(x):
        return _native(x, weights, sizes, activation, gated)
    out: Tensor = _Loop.apply(x, *weights, tuple(sizes), activation, gated)  # type: ignore[no-untyped-call]
    return out


def native(x: Tensor) -> bool:
    """Whether torch's grouped_mm is one kernel here: bfloat16 on CUDA from compute capability 8.0 on."""
    if x.device.type != "cuda" or x.dtype != torch.bfloat16 or not hasattr(functional, "grouped_mm"):
        return False
    return torch.cuda.get_device_capability(x.device) >= (8, 0)


def _native(x: Tensor, weights: Weights, sizes: Sequence[int], activation: str, gated: bool) -> Tensor:
    counts = torch.tensor(sizes, device=x.device)
    ends = counts.cumsum(0).to(torch.int32)

    def product(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = functional.grouped_mm(rows, weight.transpose(-2, -1), offs=ends)
        return out if bias is None else out + bias.repeat_interleave(counts, 0)

    inner = product(x, weights.up, weights.up_bias)
    return product(activate(inner, activation, gated), weights.down, weights.down_bias)


def activate(inner: Tensor, activation: str, gated: bool) -> Tensor:
    """(S, F), or (S, 2F) of gates and values, -> (S, F)."""
    act = ACTIVATIONS[activation].forward
    if not gated:
        return act(inner)
    gate, up = inner.chunk(2, -1)
    return act(gate).mul_(up) if not torch.is_grad_enabled() else act(gate) * up


def _activate_backward(grad: Tensor, inner: Tensor, activation: str, gated: bool) -> tuple[Tensor, Tensor]:
    """The activations again, and the gradient of ``inner`` where ``grad`` is that of the activations."""
    act = ACTIVATIONS[activation]
    if not gated:
        return act.forward(inner), act.backward(grad, inner)
    gate, up = inner.chunk(2, -1)
    on, out = act.forward(gate), torch.empty_like(inner)
    torch.mul(grad, on, out=out[:, up.shape[1] :])
    out[:, : up.shape[1]] = act.backward(grad * up, gate)
    return on.mul_(up), out


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    if bias is None:
        torch.mm(x, weight.T, out=out)
    else:
        torch.addmm(bias, x, weight.T, out=out)


class _Loop(torch.autograd.Function):
    """The loop over experts and its gradients; what is kept are the values before the activation."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *rest: Any) -> Tensor:
        """``rest``: up, down, up_bias, down_bias, sizes, activation, gated."""
        up, down, up_bias, down_bias, sizes, activation, gated = rest
        kept = x.new_empty(len(x), up.shape[1]) if any(ctx.needs_input_grad) else None
        out = x.new_empty(len(x), down.shape[1])
        ups, downs = up.unbind(0), down.unbind(0)
        for group, whole, counts in groups(sizes):
            inner = x.new_empty(sum(counts), up.shape[1]) if kept is None else kept[whole]
            for (e, rows), part in zip(group, inner.split_with_sizes(counts), strict=True):
                _linear(x[rows], ups[e], None if up_bias is None else up_bias[e], part)
            hidden = activate(inner, activation, gated)
            for (e, rows), part in zip(group, hidden.split_with_sizes(counts), strict=True):
                _linear(part, downs[e], None if down_bias is None else down_bias[e], out[rows])
        if kept is not None:
            ctx.save_for_backward(x, up, down, kept)
            ctx.settings = (sizes, activation, gated)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of x and the weights; zero for experts without tokens."""
        x, up, down, kept = ctx.saved_tensors
        sizes, activation, gated = ctx.settings
        wanted = ctx.needs_input_grad
        grads = [torch.empty_like(x), _gradient(up, sizes), _gradient(down, sizes)]
        biases = [w.new_zeros(w.shape[:2]) if wanted[3 + i] else None for i, w in enumerate((up, down))]
        ups, downs, gups, gdowns = (w.unbind(0) for w in (up, down, *grads[1:]))
        for group, whole, counts in groups(sizes):
            inner = kept[whole]
            through = x.new_empty(len(inner), down.shape[2])
            for (e, rows), part in zip(group, through.split_with_sizes(counts), strict=True):
                torch.mm(grad[rows], downs[e], out=part)
            hidden, back = _activate_backward(through, inner, activation, gated)
            parts = zip(group, hidden.split_with_sizes(counts), back.split_with_sizes(counts), strict=True)
            for (e, rows), hidden_part, back_part in parts:
                given = grad[rows]
                _outer(given, hidden_part, gdowns[e])
                _outer(back_part, x[rows], gups[e])
                torch.mm(back_part, ups[e], out=grads[0][rows])
                for bias, value in zip(biases, (back_part, given), strict=True):
                    if bias is not None:
                        torch.sum(value, 0, out=bias[e])
        return *grads, *biases, None, None, None


def _gradient(weight: Tensor, sizes: Sequence[int]) -> Tensor:
    """Memory for the gradient of a stacked weight: zero for experts without tokens, to be written for others.

    Filling it all with zeros first would take half the time of a pass of few tokens. Where most experts have
    no tokens, the pages are the system's zeros, which nothing touches. Not huge pages, as numpy's large
    arrays are: where a virtual machine hands free ones back to its host, new ones are slow.
    """
    unused = [e for e, size in enumerate(sizes) if not size]
    large = weight.device.type == "cpu" and weight.nbytes >= LARGE and hasattr(mmap, "MAP_PRIVATE")
    if large and 2 * len(unused) >= len(sizes):
        pages = mmap.mmap(-1, weight.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return torch.frombuffer(pages, dtype=weight.dtype).view(weight.shape)
    out = torch.empty_like(weight)
    for e in unused:
        out[e].zero_()
    return out


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


Block = tuple[int, slice]


def groups(sizes: Sequence[int]) -> list[tuple[list[Block], slice, list[int]]]:
    """Experts that have rows, several together where those are few: (expert, its rows), all rows, counts.

    A group shares its activations, which are a call for each expert otherwise; its values stay in the cache.
    """
    found: list[list[Block]] = []
    start = 0
    for expert, size in enumerate(sizes):
        block = expert, slice(start, start + size)
        if size and found and block[1].stop - found[-1][0][1].start <= TOGETHER:
            found[-1].append(block)
        elif size:
            found.append([block])
        start += size
    return [
        (group, slice(group[0][1].start, group[-1][1].stop), [rows.stop - rows.start for _, rows in group])
        for group in found
    ]
