"""Sizes of the pools of workers of a segment: all cards of the cluster, at equal rates of the nodes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

from components.errors import ConfigError

_SMALLEST = 1e-4
"""Ray's smallest part of a processor or a card."""
_START_SECONDS = 5.0
"""Of a worker, about: a node that ends sooner gets no further one."""
_BLOCKS_OF_WORKER = 32
"""Tasks of a node for each worker of the job, at most; each takes the driver some milliseconds."""


class Machine(NamedTuple):
    """What a machine of a cluster has."""

    cpus: float
    gpus: float


class Pool(NamedTuple):
    """The workers of a node: how many, and what each of them holds."""

    size: int
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Demand:
    """What a node needs.

    Attributes:
        gpus: cards of a worker.
        cpus: processors of a worker.
        fixed_gpus: whether the user has set that; else workers share a card where there are too few.
        fixed_cpus: the same of processors.
        replicas: workers at most; None: as many as are of use.
        shards: that are to be computed.
        seconds: of all of them, where the store knows how long such nodes take.
    """

    gpus: float
    cpus: float
    fixed_gpus: bool = False
    fixed_cpus: bool = False
    replicas: int | None = None
    shards: int = 1
    seconds: float | None = None

    @property
    def most(self) -> int:
        """Workers that are of use."""
        return self.shards if self.replicas is None else min(self.shards, self.replicas)


def size_pools(demands: Mapping[str, Demand], machines: Sequence[Machine]) -> dict[str, Pool]:
    """Return the pool of each node of a job that is alone on a cluster.

    Every node has a worker; where processors or cards do not suffice, workers for which nothing was set
    share them. What is left goes to the node that would end last.

    Args:
        demands: by node.
        machines: the cluster's.

    Raises:
        ConfigError: what was set has no room.
    """
    shared, room = _share(demands, machines), _Room(machines)
    for demand in _largest_first(shared.values()):
        room.take(demand)
    return _grow(demands, shared, machines, room)


def size_pools_beside(
    others: Iterable[Pool], demands: Mapping[str, Demand], machines: Sequence[Machine]
) -> dict[str, Pool] | None:
    """Return the pools of a job beside those of others; None where these leave too little.

    Nothing is shared with another job: jobs that each held a part of what they need would wait for each other
    for ever.
    """
    taken = [Demand(pool.gpus, pool.cpus) for pool in others for _ in range(pool.size)]
    whole, room = _undivided(demands, machines), _Room(machines)
    # Where the others' workers are is not known: if they do not all find a place here, the job waits.
    if not all(map(room.take, [*_largest_first(taken), *_largest_first(whole.values())])):
        return None
    return _grow(demands, whole, machines, room)


def _grow(
    demands: Mapping[str, Demand], chosen: Mapping[str, Demand], machines: Sequence[Machine], room: _Room
) -> dict[str, Pool]:
    """Return pools of one worker of each node, and of more while there is room."""
    known = [demand.seconds / demand.shards for demand in demands.values() if demand.seconds]
    usual = median(known) if known else 1.0
    seconds = {name: demand.seconds or usual * demand.shards for name, demand in demands.items()}
    whole = _undivided(demands, machines)
    sizes = dict.fromkeys(chosen, 1)
    growing = set(chosen)
    while growing := {name for name in growing if _is_slow(chosen[name], sizes[name])}:
        slowest = min(sorted(growing), key=lambda name: sizes[name] / seconds[name])
        # A further worker is of use where there are processors for all that it would like.
        if room.take(replace(chosen[slowest], cpus=whole[slowest].cpus)):
            sizes[slowest] += 1
        else:
            growing.remove(slowest)
    return {name: Pool(sizes[name], demand.cpus, demand.gpus) for name, demand in chosen.items()}


def _is_slow(demand: Demand, workers: int) -> bool:
    """Return whether a further worker is of use, and its start as far as is known worth its while."""
    is_short = demand.seconds is not None and demand.seconds < workers * _START_SECONDS
    return workers < demand.most and not is_short


def _undivided(demands: Mapping[str, Demand], machines: Sequence[Machine]) -> dict[str, Demand]:
    """Return the demands with no more processors than the largest machine has."""
    most = max((machine.cpus for machine in machines), default=0.0)
    return {name: _divide_cpus(demand, 1, most) for name, demand in demands.items()}


def count_blocks(shards: int, workers: int) -> int:
    """Return the blocks in which the shards of a job travel from node to node.

    Args:
        shards: of the job.
        workers: of all its nodes.
    """
    return min(shards, max(_BLOCKS_OF_WORKER * workers, 1))


def _share(demands: Mapping[str, Demand], machines: Sequence[Machine]) -> dict[str, Demand]:
    """Return the demands with the largest parts of cards, then of processors, for which there is room."""
    parts = (*range(1, len(demands)), *(len(demands) * 2**power for power in range(11)))
    # Cards first, whatever processors there are.
    many = [machine._replace(cpus=float("inf")) for machine in machines]
    without = {name: replace(demand, cpus=0.0) for name, demand in demands.items()}
    for part in parts:
        cards = {name: _divide_gpus(demand, part) for name, demand in without.items()}
        if _have_room(cards.values(), many):
            break
    else:
        raise _no_room(demands, machines)
    most = max((machine.cpus for machine in machines), default=0.0)
    for part in parts:
        shared = {
            name: replace(_divide_cpus(demand, part, most), gpus=cards[name].gpus)
            for name, demand in demands.items()
        }
        if _have_room(shared.values(), machines):
            return shared
    raise _no_room(demands, machines)


def _divide_gpus(demand: Demand, part: int) -> Demand:
    """Return a demand with a part of its cards; who asks for some never gets none."""
    if demand.fixed_gpus or not demand.gpus:
        return demand
    return replace(demand, gpus=max(_SMALLEST, _round(demand.gpus / part)))


def _divide_cpus(demand: Demand, part: int, most: float) -> Demand:
    return demand if demand.fixed_cpus else replace(demand, cpus=_round(min(demand.cpus, most) / part))


def _round(amount: float) -> float:
    return round(math.floor(amount / _SMALLEST + 1e-6) * _SMALLEST, 4)


def _have_room(demands: Iterable[Demand], machines: Sequence[Machine]) -> bool:
    room = _Room(machines)
    return all(map(room.take, _largest_first(demands)))


def _largest_first(demands: Iterable[Demand]) -> list[Demand]:
    return sorted(demands, key=lambda demand: (-demand.gpus, -demand.cpus))


def _no_room(demands: Mapping[str, Demand], machines: Sequence[Machine]) -> ConfigError:
    wanted = ", ".join(
        f"{name} (gpus {demand.gpus:g}, cpus {demand.cpus:g})"
        for name, demand in demands.items()
        if demand.fixed_gpus or demand.fixed_cpus or demand.gpus
    )
    found = "; ".join(f"{machine.cpus:g} processors, {machine.gpus:g} cards" for machine in machines)
    return ConfigError(
        f"resources: expected room for a worker of each of {wanted}, found machines of {found or 'nothing'}: "
        "lower resources, compute on another device, or start a larger cluster before the run"
    )


class _Room:
    """What is free on the machines of a cluster."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._cpus = [machine.cpus for machine in machines]
        self._cards = [[1.0] * int(machine.gpus) for machine in machines]

    def take(self, demand: Demand) -> bool:
        """Take what a worker needs; return whether there was room."""
        for number, cards in enumerate(self._cards):
            chosen = _choose_cards(cards, demand.gpus)
            if chosen is not None and self._cpus[number] + _SMALLEST / 2 >= demand.cpus:
                self._cpus[number] -= demand.cpus
                for card in chosen:
                    cards[card] -= min(1.0, demand.gpus)
                return True
        return False


def _choose_cards(cards: Sequence[float], gpus: float) -> list[int] | None:
    """Return the cards of a machine for a worker, those first that others use; None where there are none."""
    needed = min(1.0, gpus)
    fitting = [number for number, free in enumerate(cards) if free + _SMALLEST / 2 >= needed]
    count = 0 if not gpus else max(1, round(gpus))
    chosen = sorted(fitting, key=lambda number: cards[number])[:count]
    return chosen if len(chosen) == count else None
