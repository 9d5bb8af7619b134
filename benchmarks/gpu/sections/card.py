"""What the card can do: copies, products, launches, uploads. Limits of the other sections are from here."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.gpu.context import DTYPES, Context, Timed
from benchmarks.gpu.row import Row
from benchmarks.gpu.stopwatch import as_graph
from components.compute.torch_facts import allow_tf32

LAUNCHES = 100
"""Kernels in a row, of which the time of one is wanted."""


@torch.inference_mode()
def measure(context: Context) -> Iterator[Row]:
    """Bytes and operations a second, and what a kernel and an upload cost."""
    allow_tf32()
    device, n = context.device, context.size(2**28, 2**20)
    source, target = (torch.empty(n, dtype=torch.float32, device=device) for _ in range(2))
    yield from context.time(
        "card",
        [Timed("copy", lambda: target.copy_(source), bytes=8 * n, dtype="float32")],
        {"bytes": 8 * n},
    )
    side = context.size(8192, 128)
    products = []
    for name, dtype in DTYPES.items():
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        products.append(
            Timed(f"product, {name}", lambda a=left, b=right: a @ b, flops=2 * side**3, dtype=name)
        )
    yield from context.time("card", products, {"side": side})
    small = torch.zeros(256, device=device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            small.add_(1.0)

    for row in context.time(
        "card",
        [Timed("launch", launch), Timed("launch, graph", as_graph(launch, device))],
        {"kernels": LAUNCHES},
    ):
        yield row.model_copy(update={"values": {"us_a_kernel": 1e6 * row.median / LAUNCHES}})
    yield from _uploads(context)


def _uploads(context: Context) -> Iterator[Row]:
    """From pageable and, on a card, from pinned memory, which alone can be copied beside other work."""
    n = context.size(2**24, 2**14)
    target = torch.empty(n, device=context.device)
    sources = {"upload, pageable": torch.zeros(n)}
    if context.on_card:
        sources["upload, pinned"] = torch.zeros(n).pin_memory()
    systems = [
        Timed(name, lambda s=source: target.copy_(s, non_blocking=True)) for name, source in sources.items()
    ]
    for row in context.time("card", systems, {"bytes": 4 * n}):
        yield row.model_copy(update={"values": {"gb_a_second": 4e-9 * n / row.median}})
