"""Products with pruned weights: 2:4 and blocks against dense ones, as replays of CUDA graphs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.gpu.context import DTYPES, Context, Timed
from benchmarks.gpu.row import Row, Value
from benchmarks.gpu.stopwatch import Call, as_graph, rotate
from components.pruning.masks import mask_by_magnitude
from components.pruning.sparse_linear import (
    Layout,
    SparseLinear,
    find_fastest_layout,
    semi_structured_obstacle,
)

SHAPES = ((4096, 4096), (8192, 8192), (4096, 14336))
ROWS = (16, 64, 512, 4096)
COPIES = 4
"""Weights that are read in turns: one of 33 MB would stay in the L2."""
PATTERNS: tuple[tuple[str, str, Layout, float], ...] = (
    ("2:4", "2:4", "semi-structured", 0.5),
    ("blocks, a quarter kept", "block", "bsr", 0.25),
    ("blocks, a tenth kept", "block", "bsr", 0.1),
)


@torch.inference_mode()
def measure(context: Context) -> Iterator[Row]:
    """Every shape and number of rows."""
    dtype = context.size("float16", "float32")
    for shape in context.size(SHAPES, ((64, 64),)):
        weights = [
            torch.randn(*shape, device=context.device).to(DTYPES[dtype])
            for _ in range(context.size(COPIES, 1))
        ]
        layers = {"dense": [SparseLinear(weight, None, "dense") for weight in weights]}
        patterns: dict[str, str] = {}
        for name, pattern, layout, keep in PATTERNS:
            pruned = [weight * mask_by_magnitude(weight, pattern, keep) for weight in weights]
            if layout != "semi-structured" or semi_structured_obstacle(pruned[0]) is None:
                layers[name] = [SparseLinear(weight, None, layout) for weight in pruned]
            patterns[name] = pattern
        for rows in context.size(ROWS, (4,)):
            yield from _measure_rows(context, layers, weights[0], patterns, rows, dtype)


def _measure_rows(
    context: Context,
    layers: dict[str, list[SparseLinear]],
    weight: Tensor,
    patterns: dict[str, str],
    rows: int,
    dtype: str,
) -> Iterator[Row]:
    x = torch.randn(rows, weight.shape[1], device=context.device).to(DTYPES[dtype])
    moved, work = weight.numel() * weight.element_size(), 2 * rows * weight.numel()
    systems, refused = [], {}
    for name, copies in layers.items():
        try:
            call = rotate([_call(context, layer, x) for layer in copies])
            call()
        except RuntimeError as error:  # kernels that this build or card lacks
            refused[name] = str(error).splitlines()[0][:200]
            continue
        share = 0.5 if name == "2:4" else 1.0
        cost = (share * moved, share * work) if name in ("dense", "2:4") else (None, None)
        systems.append(Timed(name, call, *cost, dtype=dtype))
    setting: dict[str, Value] = {"shape": "x".join(map(str, weight.shape)), "rows": rows, "dtype": dtype}
    measured = list(context.time("sparsity", systems, setting))
    dense = next(row.median for row in measured if row.system == "dense")
    for row in measured:
        values: dict[str, Value] = {"times_dense": dense / row.median}
        if row.system in patterns and rows <= 512:
            pruned = weight * mask_by_magnitude(weight, patterns[row.system])
            values["chosen"] = find_fastest_layout(pruned, patterns[row.system], rows)[0]
        yield row.model_copy(update={"values": values})
    for name, reason in refused.items():
        yield Row(section="sparsity", system=name, setting=setting, values={"refused": reason})


def _call(context: Context, layer: SparseLinear, x: Tensor) -> Call:
    return as_graph(lambda: layer(x), context.device)
