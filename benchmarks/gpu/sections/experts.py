"""The sparse layer against transformers' Mixtral and a dense block of its active size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.mixtral.modeling_mixtral import MixtralConfig, MixtralSparseMoeBlock

from benchmarks.gpu.context import DTYPES, Context, Timed
from benchmarks.gpu.row import Row, Value
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock
from components.networks.moe.router import Router

THEIRS = ("eager", "grouped_mm", "batched_mm")
BATCHED_TOKENS = 8
"""Tokens up to which ``batched_mm``, which copies the weights of each, is worth a try."""
TRAINED_TOKENS = 512
"""Tokens from which a training step is timed."""


class Shape(NamedTuple):
    """Width, inner width, experts, and how many compute a token."""

    width: int
    inner: int
    experts: int
    top_k: int


SHAPES = (Shape(1024, 4096, 8, 2), Shape(4096, 14336, 8, 2), Shape(2048, 1024, 64, 8))
TOKENS = (1, 8, 64, 512, 2048, 8192)


def measure(context: Context) -> Iterator[Row]:
    """Each shape, arithmetic and number of tokens."""
    for shape in context.size(SHAPES, (Shape(16, 32, 4, 2),)):
        for dtype in context.size(("bfloat16", "float16"), ("float32",)):
            blocks = make_blocks(shape, context.device, DTYPES[dtype])
            for tokens in context.size(TOKENS, (1, 8)):
                yield from _measure_tokens(context, blocks, shape, dtype, tokens)


def make_blocks(shape: Shape, device: str, dtype: torch.dtype) -> dict[str, nn.Module]:
    """Blocks that share their weights: ours, and transformers' implementations."""
    torch.manual_seed(0)
    with torch.device(device):
        router = Router(shape.width, shape.experts, shape.top_k)
        ours = MoEBlock(router, GroupedExperts(shape.experts, shape.width, shape.inner, gated=True)).to(dtype)
    blocks: dict[str, nn.Module] = {"ours": ours}
    experts: Any = ours.experts
    for name in THEIRS:
        config = MixtralConfig(
            hidden_size=shape.width, intermediate_size=shape.inner,
            num_local_experts=shape.experts, num_experts_per_tok=shape.top_k,
        )  # fmt: skip
        config._experts_implementation = name
        with torch.device("meta"):
            block: Any = MixtralSparseMoeBlock(config)
        block.gate.weight = ours.router.weight
        block.experts.gate_up_proj, block.experts.down_proj = experts.up, experts.down
        blocks[name] = block
    return blocks


def _measure_tokens(
    context: Context, blocks: dict[str, nn.Module], shape: Shape, dtype: str, tokens: int
) -> Iterator[Row]:
    x = torch.randn(1, tokens, shape.width, device=context.device).to(DTYPES[dtype])
    measured = {n: b for n, b in blocks.items() if n != "batched_mm" or tokens <= BATCHED_TOKENS}
    with torch.no_grad():
        routing = blocks["ours"].router(x[0])  # type: ignore[operator]
        used = len(routing.experts.unique())
    inner, itemsize = shape.top_k * shape.inner, DTYPES[dtype].itemsize
    cost = {
        "bytes": itemsize * (3 * used * shape.width * shape.inner + 2 * tokens * shape.width),
        "flops": 6 * tokens * shape.width * inner,
    }
    up, down = (torch.randn(*size, device=context.device).to(DTYPES[dtype]) for size in
                ((2 * inner, shape.width), (shape.width, inner)))  # fmt: skip

    def dense() -> Tensor:
        gate, value = functional.linear(x, up).chunk(2, -1)
        return functional.linear(functional.silu(gate) * value, down)

    setting: dict[str, Value] = {**shape._asdict(), "tokens": tokens, "dtype": dtype}
    systems = [Timed(name, _forward(block, x), **cost, dtype=dtype) for name, block in measured.items()]
    with torch.inference_mode():
        rows = list(context.time("experts", [*systems, Timed("dense of the active size", dense)], setting))
    yield from _with_ratios(rows, "forward")
    if tokens >= context.size(TRAINED_TOKENS, 8):
        trained = {n: b for n, b in measured.items() if n != "batched_mm"}
        systems = [
            Timed(name, _train(block, x), flops=3 * cost["flops"], dtype=dtype)
            for name, block in trained.items()
        ]
        yield from _with_ratios(list(context.time("experts", systems, setting)), "training")


def _with_ratios(rows: list[Row], what: str) -> Iterator[Row]:
    """Each row with its time over that of the best of transformers' implementations."""
    best = min(row.median for row in rows if row.system in THEIRS)
    for row in rows:
        yield row.model_copy(
            update={"values": {"of_best": row.median / best}, "setting": {**row.setting, "pass": what}}
        )


def _forward(block: nn.Module, x: Tensor) -> Callable[[], object]:
    return lambda: block(x)


def _train(block: nn.Module, x: Tensor) -> Callable[[], object]:
    rows = x.clone().requires_grad_()

    def step() -> None:
        out = block(rows)
        out = out[0] if isinstance(out, tuple) else out
        torch.autograd.backward(out.float().square().mean())
        rows.grad = None
        for parameter in block.parameters():
            parameter.grad = None

    return step
