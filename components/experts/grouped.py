"""One product per expert over blocks of sorted tokens: ``y_e = x_e W_e^T + b_e``.

Three ways, the same numbers: torch's ``grouped_mm`` on devices where it is one kernel; on CPU a loop over the
experts that have tokens, writing into one output and, in the backward pass, into one gradient (putting E
gradients together costs as much as the products when tokens are few); and, for inference on CPU, weights laid
out once for the matrix units (:class:`PackedGroup`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.decoding.prepack import Activation, Arithmetic, PackedLinear


class _Loop(torch.autograd.Function):
    """The loop over experts and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, sizes: Sequence[int]) -> Tensor:
        """(S, I), (E, O, I), (E, O) -> (S, O)."""
        ctx.save_for_backward(x, weight)
        ctx.sizes, ctx.has_bias = sizes, bias is not None
        out = x.new_empty(len(x), weight.shape[1])
        for e, (block, given) in enumerate(zip(out.split(sizes), x.split(sizes), strict=True)):
            if not len(block):
                continue
            if bias is None:
                torch.mm(given, weight[e].T, out=block)
            else:
                torch.addmm(bias[e], given, weight[e].T, out=block)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        """Gradients of x, weight and bias; zero for experts without tokens."""
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        grad_x = torch.empty_like(x) if wanted[0] else None
        # Zeros, not empty: the pages of experts without tokens are never touched.
        grad_w = torch.zeros_like(weight) if wanted[1] else None
        grad_b = weight.new_zeros(weight.shape[:2]) if ctx.has_bias and wanted[2] else None
        start = 0
        for e, size in enumerate(ctx.sizes):
            rows = slice(start, start + size)
            start += size
            if not size:
                continue
            if grad_x is not None:
                torch.mm(grad[rows], weight[e], out=grad_x[rows])
            if grad_w is not None:
                torch.mm(grad[rows].T, x[rows], out=grad_w[e])
            if grad_b is not None:
                torch.sum(grad[rows], 0, out=grad_b[e])
        return grad_x, grad_w, grad_b, None


def grouped_linear(x: Tensor, weight: Tensor, bias: Tensor | None, sizes: Sequence[int]) -> Tensor:
    """Blocks of ``sizes`` rows of ``x`` (S, I), each through its own ``weight`` (E, O, I) and ``bias`` (E, O).

    Differentiable; under autocast in its type.
    """
    device = x.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    if native(x):
        return _native(x, weight, bias, sizes)
    out: Tensor = _Loop.apply(x, weight, bias, tuple(sizes))
    return out


def native(x: Tensor) -> bool:
    """Whether torch's grouped_mm is one kernel here: bfloat16 on CUDA from compute capability 8.0 on."""
    if x.device.type != "cuda" or x.dtype != torch.bfloat16 or not hasattr(functional, "grouped_mm"):
        return False
    return torch.cuda.get_device_capability(x.device) >= (8, 0)


def _native(x: Tensor, weight: Tensor, bias: Tensor | None, sizes: Sequence[int]) -> Tensor:
    counts = torch.tensor(sizes, device=x.device)
    ends = counts.cumsum(0).to(torch.int32)
    out: Tensor = functional.grouped_mm(x, weight.transpose(-2, -1), offs=ends)
    return out if bias is None else out + bias.repeat_interleave(counts, 0)


class PackedGroup(nn.Module):
    """E weights (E, O, I) laid out for the CPU's matrix units, with the activation behind them. Inference only."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, arithmetic: Arithmetic, activation: Activation = "none"
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            PackedLinear(w, None if bias is None else bias[e], arithmetic, activation)
            for e, w in enumerate(weight)
        )

    def forward(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """One block of rows per expert -> one block of outputs per expert."""
        return [layer(block) for layer, block in zip(self.layers, blocks, strict=True)]
