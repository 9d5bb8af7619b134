"""The sparse layer against transformers' Mixtral and dense blocks, in one process; then sparse products.

Single-thread CPU time of the process, medians over rounds of per-round ratios. Every line is kept in --rows
as it comes: what is there is not measured again, so that a table can be filled in several runs.
"""

# ruff: noqa: E501 - the prose of the report
from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralSparseMoeBlock

from benchmarks.common.cpu_timer import Call, measure, ratio_to_best
from benchmarks.common.paths import RESULTS
from benchmarks.speed.recognition import processor_name
from benchmarks.speed.sparsity import measure_sparse_ensemble, measure_sparse_products
from components.kernels import Arithmetic
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router

OUT = RESULTS / "speed-experts.md"
EXPERTS, TOP_K = 8, 2
WIDTHS = (512, 1024)
TOKENS = (1, 8, 64, 512, 2048, 8192)
THEIRS = ("eager", "grouped_mm", "batched_mm")
ARITHMETIC: dict[torch.dtype, Arithmetic] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
Row = list[str]
Rows = dict[str, dict[str, Row]]


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
    """One line of the table of inference."""
    tokens, width = x.shape[1:]
    usable = [name for name in THEIRS if name != "batched_mm" or tokens <= 8]
    calls: dict[str, Call] = {name: lambda n=name: blocks[n](x) for name in (*usable, "packed", "dense")}  # type: ignore[misc]
    if tokens * width <= 8192 * 512:
        calls["all"] = lambda: every_expert(blocks["eager"], x)  # type: ignore[arg-type]
    spent = measure(calls, rounds)
    cells = [f"{1000 * statistics.median(spent[n]):.2f}" if n in spent else "–" for n in ("packed", *THEIRS)]
    left = [f"{ratio_to_best(spent, 'packed', [n]):.2f}" if n in spent else "–" for n in ("all", "dense")]
    theirs = min(usable, key=lambda name: statistics.median(spent[name]))
    left.append(f"{ratio_to_best(spent, theirs, ['all']):.2f}" if "all" in spent else "–")
    return [*cells, f"**{ratio_to_best(spent, 'packed', usable):.2f}**", *left]


def time_training(blocks: dict[str, nn.Module], x: Tensor, rounds: int) -> Row:
    """One line of the table of training."""
    x = x.clone().requires_grad_()

    def step(layer: nn.Module) -> None:
        layer(x).sum().backward()
        layer.zero_grad()

    names = ("ours", "eager", "grouped_mm")
    spent = measure({name: lambda n=name: step(blocks[n]) for name in names}, rounds)  # type: ignore[misc]
    cells = [f"{1000 * statistics.median(spent[n]):.1f}" for n in names]
    return [*cells, f"**{ratio_to_best(spent, 'ours', names[1:]):.2f}**"]


def measure_missing(rows: Rows, file: Path, widths: Sequence[int], tokens: Sequence[int]) -> None:
    """Measure what ``rows`` lack, small sizes first, and keep every line in ``file`` as it comes.

    Each in a process of its own: what was freed before decides where the C library puts large gradients.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        for count, width, arithmetic, kind in itertools.product(
            sorted(tokens), widths, ARITHMETIC.values(), KINDS
        ):
            key = f"{width} | {arithmetic} | {count}"
            if key not in rows[kind]:
                append_row(rows, file, kind, key, fresh.submit(line, kind, width, arithmetic, count).result())


def line(kind: str, width: int, arithmetic: Arithmetic, tokens: int) -> Row:
    """One line of one table."""
    torch.set_num_threads(1)
    dtype = next(dtype for dtype, name in ARITHMETIC.items() if name == arithmetic)
    return KINDS[kind](make_layers(width, dtype), torch.randn(1, tokens, width).to(dtype), rounds_of(tokens))


def append_row(rows: Rows, file: Path, kind: str, key: str, row: Row) -> None:
    """One more line, in memory, in ``file`` and on the screen."""
    rows[kind][key] = row
    with file.open("a", encoding="utf-8") as out:
        out.write(json.dumps([kind, key, row]) + "\n")
    print(kind, key, *row, flush=True)


KINDS = {"inference": time_inference, "training": time_training}
OTHERS = {"tensor": measure_sparse_products, "ensemble": measure_sparse_ensemble}


def rounds_of(tokens: int) -> int:
    """More rounds where they cost little."""
    return 15 if tokens <= 64 else 25 if tokens <= 512 else 2


def read_rows(file: Path) -> Rows:
    """The lines that an earlier run, or part of one, has measured."""
    rows: Rows = {kind: {} for kind in (*KINDS, *OTHERS)}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        kind, key, row = json.loads(line)
        rows[kind][key] = row
    return rows


def format_table(rows: dict[str, Row]) -> list[str]:
    """Lines by width, arithmetic and tokens."""
    order = list(itertools.product(map(str, WIDTHS), ARITHMETIC.values(), map(str, TOKENS)))
    return [f"| {key} | {' | '.join(rows[key])} |" for key in map(" | ".join, order) if key in rows]


def format_page(rows: Rows) -> list[str]:
    """The report."""
    return [
        "# Experts: speed",
        "",
        f"`python -m benchmarks.speed experts`; {processor_name()}, {os.cpu_count()} cores, one thread, "
        f"torch {torch.__version__}. E = {EXPERTS}, k = {TOP_K}, inner "
        "width 4 d, gated SiLU, shared weights. Each line in a "
        "process of its own. Milliseconds of CPU time are medians over rounds: 15 up to 64 tokens, 25 at 512, 2 or 3 above (where calls of a second and more are not warmed up). Ratios "
        "are medians of per-round ratios, to the best of transformers' implementations (`batched_mm` up to 8 "
        "tokens; above it is 10 times slower and more). `all` runs every expert for every token (not at d 1024 "
        "with 8,192 tokens: memory); `dense` is a block of the active size (k experts wide) with plain linear "
        "layers.",
        "",
        "## Inference (ours: sorted, prepacked weights)",
        "",
        "| d | arithmetic | tokens | ours ms | eager ms | grouped_mm ms | batched_mm ms | ours / best "
        "| ours / all | ours / dense | transformers' best / all |",
        "|---" * 11 + "|",
        *format_table(rows["inference"]),
        "",
        "Bars (float32): 0.55 at 8 to 64 tokens, 0.75 at 512, 0.9 at 8,192, 1.0 at 1; 0.25 of `all` at 512 and "
        "more; 1.25 of `dense` at 2,048 and more. bfloat16: never above 1.",
        "",
        "The columns over `all` are the second level of sparse computation: arithmetic left k / E = 0.25, and "
        "the time left. One token reads the weights of k experts only; a few dozen tokens together need nearly "
        "all experts, so all weights are read again and little time is saved for the arithmetic that is; with "
        "hundreds of tokens products are bound by arithmetic and the time follows it.",
        "",
        "## Training (forward and backward). Bar: never above 1",
        "",
        "| d | arithmetic | tokens | ours ms | eager ms | grouped_mm ms | ours / best |",
        "|---" * 7 + "|",
        *format_table(rows["training"]),
        "",
        "## In a tensor: arithmetic left against time left (2048 x 512, float32; dense = 1)",
        "",
        *rows["tensor"]["lines"],
        "",
        "## In an ensemble: a member of zero weight is not run (two Marian models, 8 sentences, 20 tokens)",
        "",
        *rows["ensemble"]["lines"],
    ]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.speed experts", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--tokens", type=int, nargs="+", default=list(TOKENS))
    parser.add_argument(
        "--rows", type=Path, default=Path("experts-speed.jsonl"), help="lines measured so far"
    )
    parser.add_argument("--note", help="said at the top of the page")
    parser.add_argument("--ready", action="store_true", help="write the page of the lines that are there")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = read_rows(options.rows)
    for kind, others in OTHERS.items():
        if not rows[kind]:
            append_row(rows, options.rows, kind, "lines", others(3))
    if not options.ready:
        measure_missing(rows, options.rows, options.widths, options.tokens)
    lines = format_page(rows)
    if options.note:
        lines[1:1] = ["", options.note]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
