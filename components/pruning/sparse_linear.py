"""Linear maps with pruned weights, in a layout whose products leave the zeros out.

What is gained depends on the kernels. 2:4 has them on GPUs only (``to_sparse_semi_structured``, compute
capability 8.0 on, half precision). On a CPU, block (BSR) and single (CSR) products pay below about a tenth of
the weights, against a dense product with a packed weight: :func:`find_fastest_layout` measures it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.sparse import (
    SparseSemiStructuredTensor,
    SparseSemiStructuredTensorCUSPARSELT,
    SparseSemiStructuredTensorCUTLASS,
    to_sparse_semi_structured,
)

from components.compute.layers.packed_linear import build_linear
from components.errors import ConfigError
from components.pruning.patterns import BLOCK

CALLS = 50
"""Products in a row by which one is timed on a GPU."""
Layout = Literal["dense", "bsr", "csr", "semi-structured"]


class SparseLinear(nn.Module):
    """A linear map (..., I) -> (..., O) whose zero weights are not multiplied. Inference only.

    Args:
        weight: the pruned weight (O, I).
        bias: (O) or None.
        layout: a row of :data:`LAYOUTS`.

    Raises:
        ConfigError: for ``semi-structured`` where its kernels cannot be used.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, layout: Layout) -> None:
        super().__init__()
        self.layout, self.bias = layout, bias
        self.out_features, self.in_features = weight.shape
        self.sparse_weight = LAYOUTS[layout](weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x @ W.T + b``."""
        if self.layout in ("dense", "semi-structured"):
            return functional.linear(x, self.sparse_weight, self.bias)
        rows = x.reshape(-1, x.shape[-1])
        out = (self.sparse_weight @ rows.T).T
        if self.bias is not None:
            out = out + self.bias
        return out.reshape(*x.shape[:-1], self.out_features)


def _bsr(weight: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls the layout beta
        return weight.to_sparse_bsr((BLOCK, BLOCK))


def _csr(weight: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return weight.to_sparse_csr()


def _semi_structured(weight: Tensor) -> Tensor:
    if (reason := semi_structured_obstacle(weight)) is not None:
        raise ConfigError(f"2:4 kernels: {reason}")
    sparse: Tensor = to_sparse_semi_structured(weight.contiguous())
    return sparse


LAYOUTS: dict[Layout, Callable[[Tensor], Tensor]] = {
    "dense": lambda weight: weight,
    "bsr": _bsr,
    "csr": _csr,
    "semi-structured": _semi_structured,
}
"""How a pruned weight is held: dense, blocks of rows (BSR), rows (CSR), or torch's 2:4 format."""
SPARSE_LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "2:4": ("semi-structured",),
    "block": ("bsr",),
    "single": ("csr",),
}
"""Layouts that leave out the zeros of a pattern; of other N:M there is none."""


def semi_structured_obstacle(weight: Tensor) -> str | None:
    """Say why torch's 2:4 kernels cannot be used for this weight; None if they can."""
    if weight.device.type != "cuda":
        return "they need a CUDA device (the weights are pruned, products stay dense and as slow as before)"
    if torch.cuda.get_device_capability(weight.device) < (8, 0):
        return "they need compute capability 8.0 or later"
    if weight.dtype not in (torch.float16, torch.bfloat16):
        return f"they need float16 or bfloat16, found {weight.dtype}"
    forced = SparseSemiStructuredTensor._FORCE_CUTLASS
    if not forced and not torch.backends.cusparselt.is_available():
        return "they need cuSPARSELt, which this build of torch lacks"
    kernels = SparseSemiStructuredTensorCUTLASS if forced else SparseSemiStructuredTensorCUSPARSELT
    rows, columns, *_ = kernels._DTYPE_SHAPE_CONSTRAINTS[weight.dtype]  # torch tells them nowhere else
    if weight.shape[0] % rows or weight.shape[1] % columns:
        return f"they need multiples of {rows} x {columns}, found {' x '.join(map(str, weight.shape))}"
    return None


@torch.inference_mode()
def find_fastest_layout(weight: Tensor, pattern: str, rows: int, repeats: int = 5) -> tuple[Layout, float]:
    """Measure which layout of a pruned weight is the fastest on this machine.

    Args:
        weight: the pruned weight (O, I).
        pattern: the pattern of its zeros.
        rows: tokens per product.
        repeats: how often each layout is timed; the shortest time counts.

    Returns:
        The layout, and its time divided by that of the dense product. The dense product is the one that
        decoding would use: with a packed weight where that is possible.
    """
    x = torch.randn(rows, weight.shape[1], device=weight.device, dtype=weight.dtype)
    usable = [
        layout
        for layout in SPARSE_LAYOUTS.get(pattern, ())
        if layout != "semi-structured" or semi_structured_obstacle(weight) is None
    ]
    half = weight.dtype == torch.bfloat16
    layers: dict[Layout, Callable[[Tensor], Tensor]] = {
        "dense": build_linear(weight, None, "bfloat16" if half else "float32"),
        **{layout: SparseLinear(weight, None, layout) for layout in usable},
    }
    seconds = {layout: float("inf") for layout in layers}
    for _ in range(repeats):
        for layout, layer in layers.items():
            seconds[layout] = min(seconds[layout], _time_call(layer, x))
    best = min(seconds, key=lambda layout: seconds[layout])
    return best, seconds[best] / seconds["dense"]


def _time_call(layer: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """Seconds of one product: on a GPU of many in a row by events, or the launch of one would be timed."""
    if x.device.type != "cuda":
        start = time.perf_counter()
        layer(x)
        return time.perf_counter() - start
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    layer(x)
    begin.record()
    for _ in range(CALLS):
        layer(x)
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / CALLS
