"""CPU time of calls side by side in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

Call = Callable[[], object]
Spent = dict[str, list[float]]
"""CPU seconds per call, round by round."""


def measure(calls: dict[str, Call], rounds: int, seconds: float = 0.1) -> Spent:
    """CPU seconds per call, round by round, every second round backwards.

    A call is repeated to about ``seconds`` per round. The first call is a warm-up and sets the repeats; one
    that takes ten times ``seconds`` is not warmed up but counts, as the last round.
    """
    spent: Spent = {name: [] for name in calls}
    repeats, counted = {}, rounds
    for name, call in calls.items():
        first = cpu_seconds(call, 1)
        repeats[name] = max(1, min(100, int(seconds / max(1e-6, first))))
        spent[name].append(first)
    slow = all(values[0] > 10 * seconds for values in spent.values())
    if not slow:
        spent = {name: [] for name in calls}
    for number in range(counted - slow):
        for name in list(calls) if number % 2 else list(reversed(calls)):
            spent[name].append(cpu_seconds(calls[name], repeats[name]))
    return spent


def cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    """CPU seconds of one call, mean of ``repeats``."""
    started = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started) / repeats


def ratio_to_best(spent: Spent, name: str, bases: Sequence[str]) -> float:
    """Median over rounds of the time over that of the best of ``bases``, which is chosen by its median."""
    best = min(bases, key=lambda base: statistics.median(spent[base]))
    return statistics.median(a / b for a, b in zip(spent[name], spent[best], strict=True))
