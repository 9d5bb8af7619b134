"""How long a chain of nodes takes on many cards: a simulation of its shards under the Ray engine."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count, pairwise
from typing import NamedTuple

from components.data.cutting import Cut, cut_shards
from tasks.engines.ray.pools import Demand, Machine, count_blocks, size_pools

CARDS_A_MACHINE = 8


class Costs(NamedTuple):
    """Seconds that are not those of a model at work.

    Attributes:
        start: until the first worker of the run lives.
        loading: of the data node for each row, before the first shard is computed.
        model: until a worker has its model.
        driver: of the run's process for each row.
        lost_every: mean seconds that a worker lives until its process or machine is lost; 0: for ever.
        restart: until there is another in its place, which then reads its model.
    """

    start: float = 0.0
    loading: float = 0.0
    model: float = 0.0
    driver: float = 0.0
    lost_every: float = 0.0
    restart: float = 0.0


class Shard(NamedTuple):
    """Rows and seconds of audio of a shard."""

    rows: int
    seconds: float


class Simulated(NamedTuple):
    """What came out.

    Attributes:
        seconds: from the start to the end of the run.
        busy: share of that time in which a card computes what is kept.
        lost_shards: that were begun by a worker that was lost, and again by another.
        lost_workers: that were lost.
    """

    seconds: float
    busy: float
    lost_shards: int
    lost_workers: int


class _Row(NamedTuple):
    cut: Cut
    seconds: float


def make_shards(hours: float, mean_seconds: float, seed: int = 0) -> list[Shard]:
    """Cut a data set of recordings of random lengths as real ones are cut.

    Args:
        hours: of audio.
        mean_seconds: of a recording; lengths are exponential, at most five times as long.
        seed: of lengths and digests.
    """
    draw = random.Random(seed)

    def rows() -> Iterator[_Row]:
        left = hours * 3600
        while left > 0:
            seconds = min(draw.expovariate(1 / mean_seconds), 5 * mean_seconds, left) or left
            left -= seconds
            yield _Row(Cut(draw.random(), seconds / 600.0), seconds)

    return [Shard(len(shard), sum(row.seconds for row in shard)) for shard in cut_shards(rows())]


def size_real_pools(rates: Sequence[float], cards: int, shards: Sequence[Shard]) -> list[int]:
    """The workers of each node, as the engine sizes its pools.

    Args:
        rates: seconds of a card for a second of audio, of each node.
        cards: of the cluster.
        shards: of the data set.
    """
    audio = sum(shard.seconds for shard in shards)
    demands = {
        str(number): Demand(gpus=1.0, cpus=1.0, shards=len(shards), seconds=rate * audio)
        for number, rate in enumerate(rates)
    }
    sizes = [min(CARDS_A_MACHINE, cards - first) for first in range(0, cards, CARDS_A_MACHINE)]
    pools = size_pools(demands, [Machine(cpus=16.0, gpus=size) for size in sizes])
    return [pools[name].size for name in demands]


def simulate(
    shards: Sequence[Shard], rates: Sequence[float], workers: Sequence[int], costs: Costs, seed: int = 0
) -> Simulated:
    """Simulate a run: blocks of shards go from node to node, each worker takes the first that waits.

    A lost worker's block is begun again by another, which finds the shards that were stored.

    Args:
        shards: in order.
        rates: seconds of a worker for a second of audio, of each node.
        workers: of each node.
        costs: everything else.
        seed: of the times at which workers are lost.
    """
    blocks = divide(shards, count_blocks(len(shards), sum(workers)))
    run = _Run(blocks, rates, costs, random.Random(seed))
    run.work(workers)
    useful = sum(rates) * sum(shard.seconds for shard in shards)
    return Simulated(run.ended, useful / (sum(workers) * run.ended), run.lost_shards, run.lost_workers)


def divide(shards: Sequence[Shard], count: int) -> list[Sequence[Shard]]:
    """Divide shards into so many blocks, whose numbers of shards differ by one at most, as Ray does."""
    ends = [len(shards) * number // count for number in range(count + 1)]
    return [shards[first:end] for first, end in pairwise(ends)]


class _Block(NamedTuple):
    """A block, and how many of its shards the node at work has stored."""

    number: int
    stored: int = 0


class _Run:
    """The state of a simulated run: what waits at each node, and what happens when."""

    def __init__(
        self, blocks: Sequence[Sequence[Shard]], rates: Sequence[float], costs: Costs, draw: random.Random
    ) -> None:
        self._blocks, self._rates, self._costs, self._draw = blocks, rates, costs, draw
        self._waiting: list[deque[_Block]] = [deque() for _ in rates]
        self._idle: list[deque[float]] = [deque() for _ in rates]
        """Of each node, when those of its workers that have nothing to do will be lost."""
        self._events: list[tuple[float, int, int, Callable[[float], None]]] = []
        self._order = count()
        self.ended = 0.0
        self.lost_shards = self.lost_workers = 0

    def work(self, workers: Sequence[int]) -> None:
        """Let so many workers of each node take blocks until there are none."""
        begin = self._costs.start + self._costs.loading * sum(map(_count_rows, self._blocks))
        self._waiting[0].extend(map(_Block, range(len(self._blocks))))
        for node, size in enumerate(workers):
            for _ in range(size):
                self._start_worker(node, begin)
        while self._events:
            now, _, node, happen = heapq.heappop(self._events)
            happen(now)
            self._give_out(node, now)

    def _at(self, when: float, node: int, happen: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), node, happen))

    def _start_worker(self, node: int, when: float) -> None:
        """Let a worker come to a node, its model read."""
        every = self._costs.lost_every
        ready = when + self._costs.model
        lost = when + self._draw.expovariate(1 / every) if every else float("inf")
        self._at(ready, node, lambda _: self._idle[node].append(lost))

    def _give_out(self, node: int, now: float) -> None:
        while self._idle[node] and self._waiting[node]:
            lost = self._idle[node].popleft()
            if lost > now:
                self._compute(node, now, lost, self._waiting[node].popleft())
            else:  # while it waited
                self.lost_workers += 1
                self._start_worker(node, max(now, lost + self._costs.restart))

    def _compute(self, node: int, now: float, lost: float, block: _Block) -> None:
        """Let a worker compute a block, or as much of it as it lives to."""
        for number, shard in enumerate(self._blocks[block.number][block.stored :], start=block.stored):
            end = now + self._rates[node] * shard.seconds
            if end > lost:
                self._lose(node, lost, block._replace(stored=number))
                return
            now = end
        self._at(now, node, lambda when: self._finish(node, when, lost, block.number))

    def _lose(self, node: int, lost: float, left: _Block) -> None:
        """Let a worker be lost while it computes: its block waits for the next, another takes its place."""
        self.lost_shards += 1
        self.lost_workers += 1
        self._at(lost, node, lambda _: self._waiting[node].appendleft(left))
        self._start_worker(node, lost + self._costs.restart)

    def _finish(self, node: int, now: float, lost: float, block: int) -> None:
        self._idle[node].append(lost)
        if node + 1 < len(self._rates):
            self._waiting[node + 1].append(_Block(block))
            self._give_out(node + 1, now)
        else:
            self.ended = max(self.ended, now) + self._costs.driver * _count_rows(self._blocks[block])


def _count_rows(block: Sequence[Shard]) -> int:
    return sum(shard.rows for shard in block)
