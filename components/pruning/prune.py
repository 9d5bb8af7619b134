"""Sparsity below the experts: weights pruned to a pattern, and products that leave the zeros out.

Patterns are by magnitude (Han et al., 2015): ``2:4`` keeps the two largest of every four weights of a row
(Mishra et al., 2021), ``block`` the 32 x 32 blocks of largest norm, ``single`` the largest weights. What is
gained depends on the kernels: 2:4 has them on GPUs only (``to_sparse_semi_structured``, compute capability
8.0 on, half precision); on CPU block (BSR) and single (CSR) products pay below about a tenth of the weights
against a dense product whose weights are laid out in advance, which :func:`find_fastest_layout` measures on the machine.
"""

from __future__ import annotations

import logging
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

from components.errors import ConfigError, ModelError
from components.kernels.packed_linear import build_linear
from components.records import Record

Pattern = Literal["2:4", "block", "single"]
Layout = Literal["dense", "bsr", "csr", "semi-structured"]
BLOCK = 32
_log = logging.getLogger("antiphon.sparsity")


def mask_by_magnitude(weight: Tensor, pattern: Pattern, keep: float = 0.5) -> Tensor:
    """Which weights (O, I) stay (bool): a share ``keep``, by magnitude; half for 2:4, whatever ``keep`` says.

    Raises ConfigError where the shape does not suit the pattern.
    """
    rows, columns = weight.shape
    size = {"2:4": (1, 4), "block": (BLOCK, BLOCK), "single": (1, 1)}[pattern]
    if rows % size[0] or columns % size[1] or not 0 < keep <= 1:
        raise ConfigError(
            f"pattern {pattern}: expected a weight of multiples of {size} and 0 < keep <= 1, "
            f"found {rows} x {columns} and {keep}"
        )
    if pattern == "2:4":
        fours = weight.abs().view(rows, -1, 4)
        best = fours.topk(2, -1).indices
        return torch.zeros_like(fours, dtype=torch.bool).scatter(-1, best, True).view(rows, columns)
    blocks = weight.view(rows // size[0], size[0], columns // size[1], size[1])
    norms = blocks.float().square().sum((1, 3))
    count = max(1, round(keep * norms.numel()))
    largest = norms.flatten().topk(count).indices
    block_mask = (
        torch.zeros_like(norms, dtype=torch.bool).flatten().scatter(0, largest, True).view(norms.shape)
    )
    return block_mask.repeat_interleave(size[0], 0).repeat_interleave(size[1], 1)


def multiply_active_units(hidden: Tensor, units: Tensor) -> Tensor:
    """``hidden @ units`` (T, F), (F, D) -> (T, D) without the units that are zero for every token.

    ``units`` is the transposed weight of a linear map: of units that are on its rows are read, of the others
    nothing. Only units that are off for the whole batch (after a ReLU) can be left out, so the gain goes with
    few tokens. Where half of the units or more are on, gathering them costs more than it saves: none are.
    """
    active = hidden.any(0).nonzero().squeeze(-1)
    if 2 * len(active) >= len(units):
        return hidden @ units
    return hidden.index_select(1, active) @ units.index_select(0, active)


class SparseLinear(nn.Module):
    """A linear map (..., I) -> (..., O) whose zero weights are not multiplied. Inference only."""

    def __init__(self, weight: Tensor, bias: Tensor | None, layout: Layout) -> None:
        super().__init__()
        self.layout, self.bias = layout, bias
        self.out_features, self.in_features = weight.shape
        self.sparse_weight = LAYOUTS[layout](weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """``x @ W.T + b``."""
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
"""How a pruned weight can be held."""
SPARSE_LAYOUTS: dict[Pattern, tuple[Layout, ...]] = {
    "2:4": ("semi-structured",),
    "block": ("bsr",),
    "single": ("csr",),
}


def semi_structured_obstacle(weight: Tensor) -> str | None:
    """Why torch's 2:4 kernels cannot be used for this weight; None if they can."""
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
def find_fastest_layout(
    weight: Tensor, pattern: Pattern, rows: int, repeats: int = 5
) -> tuple[Layout, float]:
    """The fastest layout for ``rows`` tokens on this machine, measured, and its time over the dense one's.

    Dense is what decoding would use: prepacked where that is possible.
    """
    x = torch.randn(rows, weight.shape[1], device=weight.device, dtype=weight.dtype)
    usable = [
        layout
        for layout in SPARSE_LAYOUTS[pattern]
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
            start = time.perf_counter()
            layer(x)
            if x.device.type == "cuda":
                torch.cuda.synchronize(x.device)
            seconds[layout] = min(seconds[layout], time.perf_counter() - start)
    best = min(seconds, key=lambda layout: seconds[layout])
    return best, seconds[best] / seconds["dense"]


class PruningSummary(Record):
    """What pruning a model came to. ``zeros`` is the share of the pruned layers' weights that are zero."""

    pattern: str
    layers: int
    zeros: float
    before: float
    after: float
    layouts: dict[str, int]


@torch.no_grad()
def prune(
    model: nn.Module,
    pattern: Pattern,
    score: Callable[[], float],
    *,
    keep: float = 0.5,
    tolerance: float = 0.0,
    rows: int = 16,
) -> PruningSummary:
    """Prune the linear layers of ``model`` in place, and use sparse products where they are faster.

    ``score`` is the model's quality, higher is better, on development data; ``rows`` the tokens per product
    to choose the layouts for. Layers whose shape does not suit the pattern, and tied output layers, stay.
    Raises ModelError, with the weights put back, where the score falls by more than ``tolerance``.
    """
    embedded = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if type(layer) is nn.Linear
        and id(layer.weight) not in embedded
        and _fits_pattern(layer.weight, pattern)
    }
    before, zeros, total = score(), 0, 0
    originals = {name: layer.weight.clone() for name, layer in layers.items()}
    for layer in layers.values():
        layer.weight.mul_(mask_by_magnitude(layer.weight, pattern, keep))
        zeros, total = zeros + int((layer.weight == 0).sum()), total + layer.weight.numel()
    after = score()
    if before - after > tolerance:
        for name, layer in layers.items():
            layer.weight.copy_(originals[name])
        raise ModelError(
            f"pattern {pattern}: expected to lose at most {tolerance:g}, found {before:.3f} -> {after:.3f}; "
            "the weights are as before: keep more of them, fine-tune, or allow a larger tolerance"
        )
    layouts = _replace(model, layers, pattern, rows)
    share = zeros / max(1, total)
    return PruningSummary(
        pattern=pattern, layers=len(layers), zeros=share, before=before, after=after, layouts=layouts
    )


def _fits_pattern(weight: Tensor, pattern: Pattern) -> bool:
    step = {"2:4": (1, 4), "block": (BLOCK, BLOCK), "single": (1, 1)}[pattern]
    return weight.shape[0] % step[0] == 0 and weight.shape[1] % step[1] == 0


def _replace(model: nn.Module, layers: dict[str, nn.Linear], pattern: Pattern, rows: int) -> dict[str, int]:
    layouts: dict[str, int] = {}
    for name, layer in layers.items():
        layout, _ = find_fastest_layout(layer.weight, pattern, rows)
        layouts[layout] = layouts.get(layout, 0) + 1
        if layout != "dense":
            parent, _, child_name = name.rpartition(".")
            setattr(model.get_submodule(parent), child_name, SparseLinear(layer.weight, layer.bias, layout))
    if pattern == "2:4":
        reasons = dict.fromkeys(semi_structured_obstacle(layer.weight) for layer in layers.values())
        for reason in filter(None, reasons):
            _log.warning("2:4 kernels are not used: %s", reason)
    return layouts
