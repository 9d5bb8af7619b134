"""Wall time and peak memory of a block of code."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from components.compute.machine import resolve_device_name
from components.run_record import CardMemory, Usage

_STATM = Path("/proc/self/statm")
_INTERVAL = 0.05  # seconds between two looks at the memory


@dataclass
class Cost:
    """The cost of a ``with`` block, complete at its end.

    Attributes:
        seconds: wall time.
        peak_memory_bytes: peak resident memory.
        batch_size: the largest batch that memory allowed in the end; 0 where it never ran out.
        usage: what served models counted, by their reference: tokens read and written, seconds of audio.
        card_memory: name of a card that was computed on -> peak of what torch held of its memory, in bytes,
            with the models that were there before.
    """

    seconds: float = 0.0
    peak_memory_bytes: int = 0
    batch_size: int = 0
    usage: Usage = field(default_factory=dict)
    card_memory: CardMemory = field(default_factory=dict)


_measured: ContextVar[Cost | None] = ContextVar("cost that is measured", default=None)


def note_batch_size(size: int) -> None:
    """Note in the block that is measured that memory ran out, and with how many items at once it goes on."""
    cost = _measured.get()
    if cost is not None:
        cost.batch_size = min(size, cost.batch_size or size)


def note_usage(reference: str, counts: Iterable[Mapping[str, float]]) -> None:
    """Note in the block that is measured what a served model counted of its requests."""
    cost = _measured.get()
    if cost is not None:
        for each in counts:
            cost.usage = add_usage(cost.usage, {reference: dict(each)})


@contextmanager
def measure_card(device: str) -> Iterator[None]:
    """Note in the block that is measured how much of a card's memory torch held at most in here.

    Args:
        device: as it is set (auto, cpu, cuda:0 ...); what is no card has nothing to be noted.
    """
    name = resolve_device_name(device)
    if not name.startswith("cuda"):
        yield
        return
    import torch  # noqa: PLC0415 - whoever computes on a card has it loaded

    torch.cuda.reset_peak_memory_stats(name)
    try:
        yield
    finally:
        if (cost := _measured.get()) is not None:
            peak = {torch.cuda.get_device_name(name): int(torch.cuda.max_memory_allocated(name))}
            cost.card_memory = largest_card_memory([cost.card_memory, peak])


def largest_card_memory(peaks: Iterable[CardMemory]) -> CardMemory:
    """Return the largest of several peaks, card by card."""
    largest: CardMemory = {}
    for peak in peaks:
        for name, size in peak.items():
            largest[name] = max(size, largest.get(name, 0))
    return largest


def add_usage(first: Usage, second: Usage) -> Usage:
    """Add up what served models counted."""
    return {
        reference: {
            name: first.get(reference, {}).get(name, 0.0) + second.get(reference, {}).get(name, 0.0)
            for name in {**first.get(reference, {}), **second.get(reference, {})}
        }
        for reference in {**first, **second}
    }


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes (elsewhere than on Linux: its peak so far)."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def measure_cost() -> Iterator[Cost]:
    """Measure a block; memory is sampled every 50 ms, so shorter peaks can be missed."""
    cost = Cost(peak_memory_bytes=resident_bytes())
    stopped = threading.Event()

    def sample_memory() -> None:
        while not stopped.wait(_INTERVAL):
            cost.peak_memory_bytes = max(cost.peak_memory_bytes, resident_bytes())

    watcher = threading.Thread(target=sample_memory, name="memory", daemon=True)
    watcher.start()
    start = time.perf_counter()
    outer = _measured.set(cost)
    try:
        yield cost
    finally:
        _measured.reset(outer)
        cost.seconds = time.perf_counter() - start
        stopped.set()
        watcher.join()
        cost.peak_memory_bytes = max(cost.peak_memory_bytes, resident_bytes())
