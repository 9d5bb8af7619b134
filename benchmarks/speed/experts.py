"""The sparse layer against transformers' Mixtral and dense blocks, in one process; then sparse products.

Single-thread CPU time of the process, medians over rounds of per-round ratios. With ``--rows`` every line is
stored as it comes: those that this code measured before are not measured again, so that an interrupted run
goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralSparseMoeBlock

from benchmarks.common.cpu_timer import Call, ratio_to_best
from benchmarks.common.cpu_timer import measure as measure_cpu
from benchmarks.common.manifest import source_digest
from benchmarks.common.sections import Result, option
from benchmarks.pages.speed_experts import THEIRS
from benchmarks.speed.sparsity import measure_sparse_ensemble, measure_sparse_products
from components.compute.layers.kernels import Arithmetic
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router

PAGE = "speed-experts"
EXPERTS, TOP_K = 8, 2
WIDTHS = (512, 1024)
TOKENS = (1, 8, 64, 512, 2048, 8192)
ARITHMETIC: dict[torch.dtype, Arithmetic] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
Row = dict[str, Any]


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Each of the parts that are asked for."""
    torch.set_num_threads(1)
    for part in options.parts:
        if part in OTHERS:
            yield Result(part, OTHERS[part](3))
        else:
            rows = measure_lines(part, options)
            yield Result(part, {"experts": EXPERTS, "top_k": TOP_K, "rows": rows})


def measure_lines(kind: str, options: argparse.Namespace) -> list[Row]:
    """All lines of one table, small sizes first.

    Each in a process of its own: what was freed before decides where the C library puts large gradients.
    """
    stored = read_rows(options.rows) if options.rows else {}
    rows = []
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        for tokens, d, arithmetic in itertools.product(
            sorted(options.tokens), options.widths, ARITHMETIC.values()
        ):
            key = f"{kind} {d} {arithmetic} {tokens} {source_digest()}"
            if key not in stored:
                stored[key] = fresh.submit(measure_line, kind, d, arithmetic, tokens).result()
                if options.rows:
                    append_row(options.rows, key, stored[key])
            rows.append(stored[key])
            print(kind, rows[-1], flush=True)
    return sorted(rows, key=lambda row: (row["d"], row["arithmetic"] != "float32", row["tokens"]))


def read_rows(file: Path) -> dict[str, Row]:
    """The lines that an earlier run has measured, by their key."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return dict(map(json.loads, lines))


def append_row(file: Path, key: str, row: Row) -> None:
    """Store one more line."""
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps([key, row]) + "\n")


def measure_line(kind: str, d: int, arithmetic: Arithmetic, tokens: int) -> Row:
    """One line of one table."""
    torch.set_num_threads(1)
    dtype = next(dtype for dtype, name in ARITHMETIC.items() if name == arithmetic)
    x = torch.randn(1, tokens, d).to(dtype)
    times = LINES[kind](make_layers(d, dtype), x, rounds_of(tokens))
    return {"d": d, "arithmetic": arithmetic, "tokens": tokens, **times}


def rounds_of(tokens: int) -> int:
    """More rounds where they cost little."""
    return 15 if tokens <= 64 else 25 if tokens <= 512 else 2


def make_layers(width: int, dtype: torch.dtype) -> dict[str, nn.Module]:
    """Layers that share their weights: transformers' implementations, ours, and ours prepacked."""
    inner = 4 * width
    torch.manual_seed(0)
    ours = MoEBlock(Router(width, EXPERTS, TOP_K), GroupedExperts(EXPERTS, width, inner, gated=True)).to(
        dtype
    )
    assert isinstance(ours.experts, GroupedExperts)
    blocks: dict[str, nn.Module] = {}
    for name in THEIRS:
        config = MixtralConfig(
            hidden_size=width,
            intermediate_size=inner,
            num_local_experts=EXPERTS,
            num_experts_per_tok=TOP_K,
        )
        config._experts_implementation = name
        with torch.device("meta"):
            block = MixtralSparseMoeBlock(config)
        block.gate.weight = ours.router.weight
        block.experts.gate_up_proj, block.experts.down_proj = ours.experts.up, ours.experts.down
        blocks[name] = block
    packed = MoEBlock(ours.router, ours.experts)
    packed.lay_out(ARITHMETIC[dtype])
    return {**blocks, "ours": ours, "packed": packed, "dense": Dense(width).to(dtype)}


class Dense(nn.Module):
    """A gated block of the size of k experts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 4 * width * TOP_K
        self.up, self.down = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.up(x).chunk(2, -1)
        return self.down(functional.silu(gate) * up)


def every_expert(block: MixtralSparseMoeBlock, x: Tensor) -> Tensor:
    """All experts for all tokens, by one batched product each: what sparsity saves."""
    rows = x.view(-1, x.shape[-1]).expand(EXPERTS, -1, -1)
    gate, up = torch.bmm(rows, block.experts.gate_up_proj.transpose(1, 2)).chunk(2, -1)
    return torch.bmm(functional.silu(gate) * up, block.experts.down_proj.transpose(1, 2))


@torch.inference_mode()
def time_inference(blocks: dict[str, nn.Module], x: Tensor, rounds: int) -> Row:
    """Milliseconds of every implementation, and the ratios of ours."""
    tokens, width = x.shape[1:]
    usable = [name for name in THEIRS if name != "batched_mm" or tokens <= 8]
    calls: dict[str, Call] = {name: lambda n=name: blocks[n](x) for name in (*usable, "packed", "dense")}  # type: ignore[misc]
    if tokens * width <= 8192 * 512:
        calls["all"] = lambda: every_expert(blocks["eager"], x)  # type: ignore[arg-type]
    spent = measure_cpu(calls, rounds)
    theirs = min(usable, key=lambda name: statistics.median(spent[name]))
    return {
        "ms": {name: 1000 * statistics.median(seconds) for name, seconds in spent.items()},
        "of_best": ratio_to_best(spent, "packed", usable),
        "of_all": ratio_to_best(spent, "packed", ["all"]) if "all" in spent else None,
        "of_dense": ratio_to_best(spent, "packed", ["dense"]),
        "theirs_of_all": ratio_to_best(spent, theirs, ["all"]) if "all" in spent else None,
    }


def time_training(blocks: dict[str, nn.Module], x: Tensor, rounds: int) -> Row:
    """Milliseconds of a step of every implementation, and the ratio of ours."""
    x = x.clone().requires_grad_()

    def step(layer: nn.Module) -> None:
        layer(x).sum().backward()
        layer.zero_grad()

    names = ("ours", "eager", "grouped_mm")
    spent = measure_cpu({name: lambda n=name: step(blocks[n]) for name in names}, rounds)  # type: ignore[misc]
    milliseconds = {name: 1000 * statistics.median(seconds) for name, seconds in spent.items()}
    return {"ms": milliseconds, "of_best": ratio_to_best(spent, "ours", names[1:])}


LINES = {"inference": time_inference, "training": time_training}
OTHERS = {"tensor": measure_sparse_products, "ensemble": measure_sparse_ensemble}
PARTS = (*LINES, *OTHERS)
OPTIONS = {
    "parts": option(list(PARTS), choices=PARTS),
    "widths": option(list(WIDTHS)),
    "tokens": option(list(TOKENS)),
    "rows": option(Path, "JSON lines measured so far"),
}
