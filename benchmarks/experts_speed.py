"""The sparse layer against transformers' Mixtral, dense blocks and sparse products, in one process.

Single-thread CPU time of the process (``time.process_time``), medians over rounds of per-round ratios.
"""

# ruff: noqa: E501 - the prose of the report
from __future__ import annotations

import argparse
import copy
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MarianConfig, MarianMTModel
from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralSparseMoeBlock

from benchmarks.recognition_speed import processor
from components.decoding import SearchConfig, search
from components.decoding.prepack import prepack
from components.decoding.seq2seq import Seq2SeqModel
from components.ensembling.combiners import Linear
from components.experts import Experts, Router, SparseBlock
from components.experts.sparsity import SparseLinear, mask, skip_zeros

OUT = Path(__file__).parents[1] / "docs" / "results" / "speed-experts.md"
EXPERTS, TOP_K = 8, 2
TOKENS = (1, 8, 64, 512, 2048, 8192)
THEIRS = ("eager", "grouped_mm", "batched_mm")
ARITHMETIC = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
Call = Callable[[Tensor], Tensor]
Spent = dict[str, list[float]]


def measure(calls: dict[str, Callable[[], object]], rounds: int, seconds: float = 0.1) -> Spent:
    """CPU seconds per call, round by round; each call is repeated to about ``seconds`` per round."""
    spent: Spent = {name: [] for name in calls}
    repeats = {}
    for name, call in calls.items():
        call()
        started = time.process_time()
        call()
        repeats[name] = max(1, min(100, int(seconds / max(1e-6, time.process_time() - started))))
    for number in range(rounds):
        for name in list(calls) if number % 2 == 0 else list(reversed(calls)):
            started = time.process_time()
            for _ in range(repeats[name]):
                calls[name]()
            spent[name].append((time.process_time() - started) / repeats[name])
    return spent


def ratio(spent: Spent, name: str, bases: Sequence[str]) -> float:
    """Median over rounds of the time over that of the best of ``bases``, which is chosen by its median."""
    best = min(bases, key=lambda base: statistics.median(spent[base]))
    return statistics.median(a / b for a, b in zip(spent[name], spent[best], strict=True))


def layers(width: int, dtype: torch.dtype) -> dict[str, nn.Module]:
    """Layers of the same weights: transformers' implementations, ours, and ours with all experts for all."""
    inner = 4 * width
    torch.manual_seed(0)
    ours = SparseBlock(Router(width, EXPERTS, TOP_K), Experts(EXPERTS, width, inner, gated=True)).to(dtype)
    assert isinstance(ours.experts, Experts)
    found: dict[str, nn.Module] = {}
    for name in THEIRS:
        config = MixtralConfig(
            hidden_size=width,
            intermediate_size=inner,
            num_local_experts=EXPERTS,
            num_experts_per_tok=TOP_K,
        )
        config._experts_implementation = name
        block = MixtralSparseMoeBlock(config).to(dtype)
        with torch.no_grad():
            block.gate.weight.copy_(ours.router.weight)
            block.experts.gate_up_proj.copy_(ours.experts.up)
            block.experts.down_proj.copy_(ours.experts.down)
        found[name] = block
    return {**found, "ours": ours}


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


def inference(width: int, dtype: torch.dtype, tokens: int, rounds: int) -> str:
    made = layers(width, dtype)
    packed = nn.ModuleDict({"layer": copy.deepcopy(made["ours"])})
    dense = Dense(width).to(dtype)
    with torch.inference_mode():
        prepack(packed, ARITHMETIC[dtype])  # type: ignore[arg-type]
        x = torch.randn(1, tokens, width).to(dtype)
        usable = [name for name in THEIRS if name != "batched_mm" or tokens <= 8]
        calls: dict[str, Callable[[], object]] = {name: lambda n=name: made[n](x) for name in usable}
        calls["ours"] = lambda: packed["layer"](x)
        calls["dense"] = lambda: dense(x)
        if tokens >= 512 and tokens * width <= 2048 * 1024:
            calls["all"] = lambda: every_expert(made["eager"], x)  # type: ignore[arg-type]
        spent = measure(calls, rounds)
    milliseconds = {name: f"{1000 * statistics.median(values):.2f}" for name, values in spent.items()}
    everything = f"{ratio(spent, 'ours', ['all']):.2f}" if "all" in spent else "–"
    return (
        f"| {width} | {ARITHMETIC[dtype]} | {tokens} | {milliseconds['ours']} | {milliseconds['eager']} "
        f"| {milliseconds['grouped_mm']} | {milliseconds.get('batched_mm', '–')} "
        f"| **{ratio(spent, 'ours', usable):.2f}** | {everything} | {ratio(spent, 'ours', ['dense']):.2f} |"
    )


def training(width: int, dtype: torch.dtype, tokens: int, rounds: int) -> str:
    made = layers(width, dtype)
    del made["batched_mm"]
    x = torch.randn(1, tokens, width).to(dtype).requires_grad_()

    def step(layer: nn.Module) -> None:
        layer.zero_grad()
        layer(x).sum().backward()

    spent = measure({name: lambda n=name: step(made[n]) for name in made}, rounds)
    milliseconds = [f"{1000 * statistics.median(spent[n]):.1f}" for n in ("ours", "eager", "grouped_mm")]
    best = ratio(spent, "ours", ["eager", "grouped_mm"])
    return f"| {width} | {ARITHMETIC[dtype]} | {tokens} | {' | '.join(milliseconds)} | **{best:.2f}** |"


def in_a_tensor(rounds: int) -> list[str]:
    """Share of the multiplications left against share of the time left."""
    weight = torch.randn(2048, 512)
    lines = ["| what | tokens | arithmetic left | time left |", "|---|---|---|---|"]
    with torch.inference_mode():
        for pattern, layout in (("block", "bsr"), ("single", "csr")):
            for keep in (0.5, 0.25, 0.1):
                sparse = SparseLinear(weight * mask(weight, pattern, keep), None, layout)  # type: ignore[arg-type]
                for tokens in (1, 16, 256):
                    x = torch.randn(tokens, 512)
                    spent = measure(
                        {"sparse": lambda: sparse(x), "dense": lambda: functional.linear(x, weight)},  # noqa: B023
                        rounds,
                        0.03,
                    )
                    left = ratio(spent, "sparse", ["dense"])
                    lines.append(
                        f"| {pattern} ({layout}), {keep:.0%} kept | {tokens} | {keep:.2f} | {left:.2f} |"
                    )
        down = torch.randn(512, 2048)
        for tokens in (1, 16, 256):
            hidden = torch.relu(torch.randn(tokens, 2048) - 1.0)
            alive = hidden.any(0).float().mean().item()
            spent = measure(
                {"skip": lambda: skip_zeros(hidden, down), "dense": lambda: functional.linear(hidden, down)},  # noqa: B023
                rounds,
                0.03,
            )
            left = ratio(spent, "skip", ["dense"])
            lines.append(f"| units off after ReLU (16% on) skipped | {tokens} | {alive:.2f} | {left:.2f} |")
    return lines


def in_an_ensemble(rounds: int) -> list[str]:
    """Two random Marian models in one search: forward calls and time with and without weight on the second."""
    ids = torch.randint(2, 900, (8, 12), generator=torch.Generator().manual_seed(0))
    config = MarianConfig(
        **{
            "vocab_size": 1000,
            "d_model": 256,
            "encoder_layers": 3,
            "decoder_layers": 3,
            "encoder_ffn_dim": 512,
        },
        **{"decoder_ffn_dim": 512, "encoder_attention_heads": 4, "decoder_attention_heads": 4},
        **{
            "pad_token_id": 999,
            "eos_token_id": 0,
            "decoder_start_token_id": 999,
            "max_position_embeddings": 64,
        },
        share_encoder_decoder_embeddings=True,
    )
    ready = [Seq2SeqModel(MarianMTModel(config), "vocabulary", f"{n}", "float32") for n in range(2)]
    counted: dict[str, Counter[int]] = {}

    def run(weights: tuple[float, ...]) -> None:
        counted[str(weights)] = calls = Counter[int]()
        members = [one.member(input_ids=ids) for one in ready]
        search(members, SearchConfig(beam_size=1, max_new_tokens=20), combine=Linear(weights), calls=calls)

    choices = [(0.5, 0.5), (1.0, 0.0)]
    spent = measure({str(w): lambda w=w: run(w) for w in choices}, rounds)
    lines = ["| weights | calls of the first and second | time |", "|---|---|---|"]
    for w in map(str, choices):
        lines.append(f"| {w} | {counted[w][0]}, {counted[w][1]} | {ratio(spent, w, [str(choices[0])]):.2f} |")
    return lines


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.speed experts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--widths", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--tokens", type=int, nargs="+", default=list(TOKENS))
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    start = os.getloadavg()[0]
    rows: dict[str, list[str]] = {"inference": [], "training": []}
    for width in options.widths:
        for dtype in ARITHMETIC:
            for tokens in options.tokens:
                rows["inference"].append(inference(width, dtype, tokens, options.rounds))
                print(rows["inference"][-1], flush=True)
                if tokens <= 2048 and width == options.widths[0]:
                    rows["training"].append(training(width, dtype, tokens, max(3, options.rounds - 2)))
                    print(rows["training"][-1], flush=True)
    lines = [
        "# Experts: speed",
        "",
        f"`python -m benchmarks.speed experts {' '.join(arguments)}`; {processor()}, {os.cpu_count()} cores, "
        f"one thread, torch {torch.__version__}, load average {start:.1f} at the start. E = {EXPERTS}, "
        f"k = {TOP_K}, inner width 4 d, gated SiLU, the same weights. Milliseconds of CPU time are medians "
        "over rounds; ratios are medians of per-round ratios, to the best of transformers' implementations "
        "(`batched_mm` up to 8 tokens; above it is 10 times slower and more). `all` runs every expert for every "
        "token; `dense` is a block of the active size (k experts wide) with plain linear layers.",
        "",
        "## Inference (ours: sorted, prepacked weights)",
        "",
        "| d | arithmetic | tokens | ours ms | eager ms | grouped_mm ms | batched_mm ms | ours / best "
        "| ours / all | ours / dense |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *rows["inference"],
        "",
        "Bars (float32): 0.55 at 8 to 64 tokens, 0.75 at 512, 0.9 at 8192, 1.0 at 1; 0.25 of `all` at 512 and "
        "more; 1.25 of `dense` at 2048 and more. bfloat16: never above 1.",
        "",
        "## Training (forward and backward)",
        "",
        "| d | arithmetic | tokens | ours ms | eager ms | grouped_mm ms | ours / best |",
        "|---|---|---|---|---|---|---|",
        *rows["training"],
        "",
        "## In a tensor: arithmetic left against time left (2048 x 512, float32; dense = 1)",
        "",
        *in_a_tensor(options.rounds),
        "",
        "## In an ensemble: a member of zero weight is not run (two Marian models, 8 sentences, 20 tokens)",
        "",
        *in_an_ensemble(options.rounds),
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
