"""What is left of the time where most of the arithmetic goes: zeros in a matrix, experts of a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import Workspace
from benchmarks.common.cpu_timer import Spent, measure
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import of_rounds
from components.claims.verdict import Measured, Result
from components.compute.layers.packed_linear import PackedLinear
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router
from components.pruning.masks import mask_by_magnitude
from components.pruning.sparse_linear import Layout, SparseLinear

TITLE = "Zeros and experts: what is left of the time"
QUESTION = """
Zeros are put into a matrix of 512 by 2,048 by magnitude, in blocks or one by one, and the sparse product is
timed against the faster of torch's dense product and the prepacked one. Beside it a block of eight experts of
which every token takes two, against the same block with all eight for every token. One thread, CPU seconds,
calls interleaved.
"""
ROUNDS = 12
DENSITIES, TOKENS = (0.5, 0.25, 0.1, 0.05), (1, 16)
WIDTH, OF_EXPERTS = 512, (1, 512)
EXPERTS, TOP_K = 8, 2
LAYOUT: dict[str, Layout] = {"block": "bsr", "single": "csr"}
PATTERNS = {"block": "blocks", "single": "single weights"}


def run(work: Workspace, outputs: Outputs) -> None:
    """Time everything, and keep the seconds of every round."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for tokens in TOKENS:
            key = {"products": tokens, "rounds": ROUNDS}
            outputs.measurements[f"zeros {tokens}"] = work.cached(key, lambda n=tokens: _time_zeros(n))
        for tokens in OF_EXPERTS:
            key = {"experts": tokens, "of": "the same block", "rounds": ROUNDS}
            outputs.measurements[f"experts {tokens}"] = work.cached(key, lambda n=tokens: _time_experts(n))
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def _time_zeros(tokens: int) -> Spent:
    torch.manual_seed(0)
    weight, x = torch.randn(4 * WIDTH, WIDTH), torch.randn(tokens, WIDTH)
    packed = PackedLinear(weight)
    calls: dict[str, Callable[[], object]] = {
        "plain": lambda: functional.linear(x, weight),
        "packed": lambda: packed(x),
    }
    for pattern, layout in LAYOUT.items():
        for density in DENSITIES:
            sparse = SparseLinear(weight * mask_by_magnitude(weight, pattern, density), None, layout)
            calls[f"{PATTERNS[pattern]} {density:g}"] = partial(sparse, x)
    return measure(calls, ROUNDS, 0.05)


@torch.inference_mode()
def _time_experts(tokens: int) -> Spent:
    torch.manual_seed(0)
    experts = GroupedExperts(EXPERTS, WIDTH, 4 * WIDTH, gated=True)
    two = MoEBlock(Router(WIDTH, EXPERTS, TOP_K), experts)
    two.lay_out("float32")
    all_eight = MoEBlock(Router(WIDTH, EXPERTS, EXPERTS), two.experts)  # type: ignore[arg-type]
    all_eight.lay_out("float32")
    up = nn.Linear(WIDTH, 8 * TOP_K * WIDTH, bias=False)
    down = nn.Linear(4 * TOP_K * WIDTH, WIDTH, bias=False)

    def dense(x: Tensor) -> Tensor:
        gate, value = up(x).chunk(2, -1)
        return down(functional.silu(gate) * value)

    x: Tensor = torch.randn(1, tokens, WIDTH)
    calls: dict[str, Callable[[], object]] = {
        "two of eight": lambda: two(x),
        "all eight": lambda: all_eight(x),
        "dense block of two": lambda: dense(x),
    }
    return measure(calls, ROUNDS, 0.2)


def results(outputs: Outputs) -> dict[str, Measured]:
    """Sparse over dense less 1; two of eight over all eight less a quarter."""
    return {
        "sparsity.many": _zeros(outputs, 0.05, 1),
        "sparsity.few": _zeros(outputs, 0.5, 1),
        "sparsity.many_tokens": _zeros(outputs, 0.05, 16),
        **{
            f"expert_compute.{name}": Measured(by_metric={"share, CPU": _experts(outputs, tokens)})
            for name, tokens in (("tokens", 512), ("token", 1))
        },
    }


def _zeros(outputs: Outputs, density: float, tokens: int) -> Measured:
    spent = outputs.measurements[f"zeros {tokens}"]
    ratios = {name: _ratios(spent, f"{name} {density:g}") for name in PATTERNS.values()}
    return Measured(by_metric={f"ratio, {name}": _result(values - 1) for name, values in ratios.items()})


def _ratios(spent: Mapping[str, list[float]], name: str) -> np.ndarray:
    """Seconds over those of the faster dense product, round by round."""
    dense = min(("plain", "packed"), key=lambda each: float(np.median(spent[each])))
    return np.asarray(spent[name]) / np.asarray(spent[dense])


def _experts(outputs: Outputs, tokens: int) -> Result:
    spent = outputs.measurements[f"experts {tokens}"]
    return _result(np.asarray(spent["two of eight"]) / np.asarray(spent["all eight"]) - 0.25)


def _result(values: np.ndarray) -> Result:
    return of_rounds(values.tolist(), f"{len(values)} interleaved rounds")


def page(outputs: Outputs) -> list[str]:
    """Time left beside arithmetic left."""
    times = [outputs.measurements[f"zeros {tokens}"] for tokens in TOKENS]
    rows = []
    for name, density in product(PATTERNS.values(), DENSITIES):
        left = [float(np.median(_ratios(spent, f"{name} {density:g}"))) for spent in times]
        rows.append((name, f"{density:.0%}", *(f"{ratio:.2f}" for ratio in left)))
    header = ("zeros", "arithmetic left", *(f"time left, tokens: {tokens}" for tokens in TOKENS))
    zeros = "## Zeros: sparse over the faster dense product, medians", markdown_table(header, rows)
    experts = []
    for tokens in OF_EXPERTS:
        spent = outputs.measurements[f"experts {tokens}"]
        base = np.asarray(spent["all eight"])
        names = ("two of eight", "dense block of two")
        experts.append((str(tokens), *(f"{np.median(np.asarray(spent[n]) / base):.3f}" for n in names)))
    header = ("tokens", "two of eight / all eight", "a dense block of their size / all eight")
    title = "## Experts: shares of the time of all eight, medians"
    return [*zeros, title, markdown_table(header, experts)]
