"""Times of calls that take turns: events on a card, the wall clock on a CPU."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence

import torch

Call = Callable[[], object]
MIN_SECONDS = 0.02
"""A call is repeated until a round takes about so long: a clock's and an event's own cost is lost in it."""
MAX_REPEATS = 200
WARM_TWICE = 0.5
"""Seconds below which a call is warmed up again."""


def time_rounds(calls: Mapping[str, Call], device: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of one call, round by round, every second round backwards.

    Each call is warmed up (a short one twice on a card, where kernels are chosen and memory is taken).
    """
    repeats = {}
    for name, call in calls.items():
        first = elapsed(call, 1, device)
        if device.startswith("cuda") and first < WARM_TWICE:
            first = elapsed(call, 1, device)
        repeats[name] = max(1, min(MAX_REPEATS, int(MIN_SECONDS / max(first, 1e-7))))
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls) if number % 2 else list(calls)[::-1]:
            spent[name].append(elapsed(calls[name], repeats[name], device))
    return spent


def elapsed(call: Call, repeats: int, device: str) -> float:
    """Seconds of one call, the mean of ``repeats``."""
    if not device.startswith("cuda"):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - began) / repeats
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize(device)
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / repeats


def as_graph(call: Call, device: str) -> Call:
    """The replay of a CUDA graph of ``call``, which costs its kernels alone; on a CPU the call."""
    if not device.startswith("cuda"):
        return call
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):  # libraries choose kernels and take memory, which a capture must not see
            call()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def rotate(calls: Sequence[Call]) -> Call:
    """A call that takes the next of ``calls`` each time, so that their operands do not stay in the L2."""
    turns = itertools.cycle(calls)
    return lambda: next(turns)()
