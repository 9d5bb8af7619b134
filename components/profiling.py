"""Wall time and peak memory of a block of code."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATM = Path("/proc/self/statm")
_INTERVAL = 0.05  # seconds between two looks at the memory


@dataclass
class Cost:
    """Wall time in seconds and peak resident memory in bytes; complete at the end of the ``with`` block."""

    seconds: float = 0.0
    peak_memory_bytes: int = 0


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
    try:
        yield cost
    finally:
        cost.seconds = time.perf_counter() - start
        stopped.set()
        watcher.join()
        cost.peak_memory_bytes = max(cost.peak_memory_bytes, resident_bytes())
