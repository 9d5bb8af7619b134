"""How long stages take on N workers: a simulation of their shards, from the times of one worker."""

from __future__ import annotations

import heapq
import statistics
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

STAGES = ("asr", "mt")


class Costs(NamedTuple):
    """Seconds: of each shard, of loading a model in a worker, of the driver for each shard."""

    shards: Sequence[float]
    load: float
    driver: float


def simulate(costs: Costs, workers: int) -> float:
    """Seconds of a stage: shards start in order where a worker is free, and land in their order.

    As in tasks/execution/node_run.py, at most two shards for each worker are in flight, so a slow one at the
    head of the line holds up those behind it; the driver prepares and keeps one shard at a time.
    """
    free = [0.0] * workers
    fresh, clock = set(range(workers)), 0.0
    order = [(0.0, number) for number in range(workers)]
    heapq.heapify(order)
    flying: deque[float] = deque()
    for seconds in costs.shards:
        if len(flying) >= 2 * workers:
            clock = max(clock, flying.popleft())
        clock += costs.driver
        when, number = heapq.heappop(order)
        begun = max(when, clock) + (costs.load if number in fresh else 0.0)
        fresh.discard(number)
        free[number] = begun + seconds
        heapq.heappush(order, (free[number], number))
        flying.append(free[number])
    return max(clock, max(flying, default=0.0))


def costs_of(times: dict[str, Any], stage: str) -> Costs:
    """What one worker's measurement says: between two shards, whatever is not computing is the driver's."""
    shards, landed = times[stage]["shards"], times[stage]["landed"]
    gaps = [b - a - seconds for a, b, seconds in zip(landed, landed[1:], shards[1:], strict=False)]
    driver = max(statistics.median(gaps), 0.0) if gaps else 0.0
    return Costs(shards, max(landed[0] - shards[0] - driver, 0.0), driver)


class Basis(NamedTuple):
    """What a simulation goes on, by stage: core-seconds of a second of audio and the seconds of the rest."""

    items_per_hour: float
    core_seconds: dict[str, float]
    load: dict[str, float]
    driver: dict[str, float]
    spread: dict[str, list[float]]


def basis_from_measurements(one: dict[str, Any]) -> Basis:
    """The costs of one measured worker."""
    costs = {stage: costs_of(one, stage) for stage in STAGES}
    return Basis(
        one["items"] / one["audio"] * 3600,
        {stage: sum(costs[stage].shards) / one["audio"] for stage in STAGES},
        {stage: costs[stage].load for stage in STAGES},
        {stage: costs[stage].driver for stage in STAGES},
        {stage: [x / statistics.mean(costs[stage].shards) for x in costs[stage].shards] for stage in STAGES},
    )


def scale_costs(basis: Basis, stage: str, hours: float) -> Costs:
    """The stage over so many hours of such audio: 32 utterances a shard, 200 shards at most."""
    items = round(hours * basis.items_per_hour)
    size = max(32, -(-items // 200))
    count = -(-items // size)
    seconds = basis.core_seconds[stage] * hours * 3600 / items * size
    spread = basis.spread[stage]
    shards = [seconds * spread[n % len(spread)] for n in range(count)]
    return Costs(shards, basis.load[stage], basis.driver[stage])
