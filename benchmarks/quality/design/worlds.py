"""Systems known on every utterance of a pool, with the seconds of each node: the tables that races ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from components.comparison.dominance import count_dominating
from components.design.racing.mixtures import choose_tiers, mix
from components.design.racing.selection import Measured, Work
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import get_metric


class Node(NamedTuple):
    """A node's computation: its identity, by which systems share it, and the seconds of each utterance."""

    identity: str
    seconds: FloatArray


class Mix(NamedTuple):
    """What a route chooses between: two systems of the world, the share that goes to the second, doubts."""

    tiers: tuple[int, int]
    share: float
    doubts: FloatArray


@dataclass
class System:
    """A system of the table.

    Attributes:
        rows: statistics of its output (n, k).
        nodes: what they do -> them; what is routed is ``good``.
        mix: what it chooses between; None of most.
    """

    rows: FloatArray
    nodes: Mapping[str, Node]
    mix: Mix | None = None

    @property
    def seconds(self) -> FloatArray:
        """Of each utterance."""
        return np.sum([node.seconds for node in self.nodes.values()], 0)


@dataclass
class World:
    """All systems over a pool of utterances, with the names of their settings."""

    metric: str
    systems: list[System]
    settings: list[dict[str, Any]]

    @property
    def n(self) -> int:
        """Utterances of the pool."""
        return len(self.systems[0].rows)

    @property
    def front_size(self) -> int:
        """How many systems are on the true front."""
        scores, costs = self.truth()
        return count_dominating([*zip(scores.tolist(), costs.tolist(), strict=True)], (1, -1)).count(0)

    def table(self, number: int, positions: Sequence[int]) -> CorpusStatistics:
        """Return the statistics of a system on some utterances, which may be in it more than once."""
        rows = self.systems[number].rows[list(positions)]
        metric = get_metric(self.metric)
        return CorpusStatistics(metric, tuple(map(str, range(len(rows)))), rows, len(rows), self.metric)

    def cost(self, number: int, positions: Sequence[int]) -> float:
        """Return the seconds an utterance."""
        return float(self.systems[number].seconds[list(positions)].mean())

    def forecast(
        self, number: int, positions: Sequence[int]
    ) -> tuple[CorpusStatistics, dict[str, float]] | None:
        """Return the statistics of a route by what it chooses between, and the seconds of its nodes."""
        chooses = self.systems[number].mix
        if chooses is None:
            return None
        doubts = dict(zip(map(str, range(len(positions))), chooses.doubts[list(positions)], strict=True))
        tiers = [self.seconds_of(tier, positions) for tier in chooses.tiers]
        table = mix(
            [self.table(tier, positions) for tier in chooses.tiers], choose_tiers([doubts], chooses.share)
        )
        assert table is not None
        seconds = {}
        for name in self.systems[number].nodes:
            known = [of[name] for of in tiers if name in of]
            seconds[name] = chooses.share * known[-1] if name == "good" else float(np.mean(known))
        return table, seconds

    def seconds_of(self, number: int, positions: Sequence[int]) -> dict[str, float]:
        """Return the seconds an utterance of each node of a system."""
        nodes = self.systems[number].nodes
        return {name: float(node.seconds[list(positions)].mean()) for name, node in nodes.items()}

    def number_of(self, settings: Mapping[str, Any]) -> int:
        """Return the system with some settings; one that nothing is sent on stands for several."""
        if settings in self.settings:
            return self.settings.index(dict(settings))
        wanted = {key: value for key, value in settings.items() if key != "good"}
        return next(n for n, own in enumerate(self.settings) if wanted.items() <= own.items())

    def truth(self) -> tuple[FloatArray, FloatArray]:
        """Return the score, more is better, and the cost of each system on the pool."""
        return self.points(range(self.n))

    def points(self, positions: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Return signed scores and costs on some utterances."""
        sign = 1 if get_metric(self.metric).higher_is_better else -1
        numbers = range(len(self.systems))
        scores = np.array([sign * self.table(number, positions).score() for number in numbers])
        return scores, np.array([self.cost(number, positions) for number in numbers])


class Meter:
    """Computes systems on draws of a world's utterances; what systems share counts once.

    Args:
        world: the systems.
        drawn: utterances, which may be in it more than once.
    """

    def __init__(self, world: World, drawn: Sequence[int]) -> None:
        self._world, self._drawn, self._done = world, drawn, dict[str, set[int]]()
        self.seconds = 0.0

    def compute(self, number: int, draws: Sequence[int]) -> None:
        """Compute a system on some of the draws."""
        for node in self._world.systems[number].nodes.values():
            done = self._done.setdefault(node.identity, set())
            self.seconds += float(sum(node.seconds[self._drawn[draw]] for draw in draws if draw not in done))
            done.update(draws)

    def measure(self, number: int, draws: Sequence[int], *, is_forecast: bool) -> Measured:
        """Return what a race knows of a system on some draws."""
        positions = [self._drawn[draw] for draw in draws]
        known = self._world.forecast(number, positions) if is_forecast else None
        table, seconds = known or (
            self._world.table(number, positions),
            self._world.seconds_of(number, positions),
        )
        n, work = len(self._drawn), dict[str, Work]()
        for name, node in self._world.systems[number].nodes.items():
            left = n - len(self._done.get(node.identity, ()))
            work[node.identity] = Work(seconds[name] * n, seconds[name] * left)
        return Measured(table, sum(seconds.values()), 0.0, work, known is not None)
