"""The race of candidates: all on a little of the data, the better ones on more, the best on all.

Successive halving (Jamieson and Talwalkar 2016) over utterances, with two objectives: who goes on is decided
by Pareto ranks (Deb et al. 2002) of optimistic scores, and by paired differences, as in racing (Maron and
Moore 1994; Birattari et al. 2002): a candidate that another one surely dominates drops out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from components.comparison.dominance import count_dominating
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics, draw_together

SURE = 2.5
"""Standard errors of a paired difference, above which one candidate surely has the better score."""
OPTIMISM = 0.5
"""Standard errors of its distance to the best that a candidate is given beforehand."""
T = TypeVar("T")


class Measured(NamedTuple):
    """What is known of a candidate on the data so far.

    Attributes:
        statistics: of the primary metric.
        cost: that the front is over, per utterance.
        violation: by how much it breaks its limits, relative to them; 0: it keeps them.
        nodes: identity of each node's computation -> its seconds an utterance; what is shared counts once.
    """

    statistics: CorpusStatistics
    cost: float
    violation: float = 0.0
    nodes: Mapping[str, float] = {}


Known = Measured | str
"""What is known of a candidate, or why it failed."""
Evaluate = Callable[[Sequence[int], int], Mapping[int, Known]]
"""Candidates and a rung -> what is known of each on the data up to that rung."""


class Proposals(Protocol):
    """Where the candidates of the first rung come from."""

    def propose(self, n: int) -> Sequence[int]:
        """Return at most ``n`` candidates that were not proposed before; none at the end."""

    def tell(self, number: int, known: Known) -> None:
        """Take note of what became of one."""


class Everything:
    """All candidates in their order.

    Args:
        n: how many there are.
    """

    def __init__(self, n: int) -> None:
        self._left = list(range(n))

    def propose(self, n: int) -> Sequence[int]:
        """Return the next ones."""
        batch, self._left = self._left[:n], self._left[n:]
        return batch

    def tell(self, number: int, known: Known) -> None:
        """Nothing changes."""


@dataclass
class Race:
    """A race and its outcome.

    Attributes:
        rungs: of each candidate, what was known after each rung that it finished.
        faults: why candidates failed.
        dropped: candidate -> why it went no further.
    """

    rungs: dict[int, list[Measured]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    dropped: dict[int, str] = field(default_factory=dict)

    def finalists(self, n_rungs: int) -> list[int]:
        """Return the candidates that were computed on all of the data."""
        return [number for number, known in self.rungs.items() if len(known) == n_rungs]


def run_race(
    proposals: Proposals,
    n_rungs: int,
    evaluate: Evaluate,
    share: float = 0.2,
    batch: int = 8,
    has_time: Callable[[], bool] = lambda: True,
) -> Race:
    """Race candidates.

    Args:
        proposals: where those of the first rung come from.
        n_rungs: blocks of the data.
        evaluate: computes candidates on a further block.
        share: of the seconds that all candidates would take on a further block, which those that go on may.
        batch: candidates that are computed together.
        has_time: whether a further batch may begin.
    """
    race = Race()

    def compute(members: Sequence[int], rung: int) -> None:
        for number, known in evaluate(members, rung).items():
            if isinstance(known, str):
                race.faults[number] = known
            else:
                race.rungs.setdefault(number, []).append(known)
            if rung == 0:
                proposals.tell(number, known)

    while has_time() and (members := proposals.propose(batch)):
        compute(members, 0)
    for rung in range(1, n_rungs):
        running = [c for c, known in race.rungs.items() if len(known) == rung and c not in race.faults]
        going = _promote(race, running, share) if running else []
        for members in batches(going, batch):
            if has_time():
                compute(members, rung)
            else:
                race.dropped |= dict.fromkeys(members, "no time was left")
    return race


def batches(members: Sequence[T], n: int) -> list[Sequence[T]]:
    """Return members in batches of ``n``."""
    return [members[start : start + n] for start in range(0, len(members), n)]


def _promote(race: Race, running: Sequence[int], share: float) -> list[int]:
    """Return the candidates that go on, best first; notes why the others do not."""
    known = [race.rungs[number][-1] for number in running]
    draw_together([each.statistics for each in known])
    dominated = surely_dominated(known)
    undominated = [position for position in range(len(running)) if dominated[position] is None]
    race.dropped |= {
        running[position]: f"surely worse and no cheaper than candidate {running[by]}"
        for position, by in enumerate(dominated)
        if by is not None
    }
    within = [position for position in undominated if known[position].violation == 0]
    if not within:  # the nearest to its limits is shown
        promoted = [min(undominated, key=lambda position: known[position].violation)]
    else:
        fitting = [known[position] for position in within]
        allowance = share * _seconds([first for first, *_ in race.rungs.values()])
        promoted = [within[n] for n in select(fitting, allowance)]
    race.dropped |= {running[n]: "not among the better ones" for n in undominated if n not in promoted}
    return [running[position] for position in promoted]


def _seconds(known: Sequence[Measured]) -> float:
    """Return the seconds of all nodes, each once."""
    return sum({name: value for each in known for name, value in each.nodes.items()}.values())


def select(known: Sequence[Measured], allowance: float) -> list[int]:
    """Return which candidates go on, at least one, for at most so many seconds of their nodes.

    Greedily the one whose hope adds most to the area under the front for the seconds that it adds; what adds
    no area follows by its rank.
    """
    hopes = _hopes(known)
    costs = np.log([max(each.cost, 1e-9) for each in known])
    corner = float(hopes.min()), float(costs.max()) + 1e-9
    selected: list[int] = []
    computed: dict[str, float] = {}
    left = rank(known)
    while left:
        area = dominated_area(hopes[selected], costs[selected], corner)
        worth = []
        for order, number in enumerate(left):
            more = sum(value for name, value in known[number].nodes.items() if name not in computed)
            both = [*selected, number]
            gain = dominated_area(hopes[both], costs[both], corner) - area
            worth.append((gain / (more + 1e-9), -order, more, number))
        _, _, more, number = max(worth)
        left.remove(number)
        if not selected or sum(computed.values()) + more <= allowance:
            selected.append(number)
            computed |= known[number].nodes
    return selected


def dominated_area(scores: FloatArray, costs: FloatArray, corner: tuple[float, float]) -> float:
    """Return the area that points dominate (hypervolume, Zitzler and Thiele 1999).

    Args:
        scores: more is better.
        costs: less is better.
        corner: the worst score and the greatest cost.
    """
    area, best = 0.0, corner[0]
    for cost, score in sorted(zip(costs.tolist(), scores.tolist(), strict=True)):
        if score > best and cost < corner[1]:
            area += (score - best) * (corner[1] - cost)
            best = score
    return area


def surely_dominated(known: Sequence[Measured]) -> list[int | None]:
    """Return for each candidate another that costs no more and surely has the better score; None for most."""
    dominating: list[int | None] = []
    for position, each in enumerate(known):
        rivals = (
            (_standardized_difference(other.statistics, each.statistics), number)
            for number, other in enumerate(known)
            if number != position and other.cost <= each.cost and other.violation <= each.violation
        )
        errors, rival = max(rivals, default=(0.0, -1))
        dominating.append(rival if errors > SURE else None)
    return dominating


def _standardized_difference(first: CorpusStatistics, second: CorpusStatistics) -> float:
    """Return how many standard errors one system is better than another on the same utterances."""
    difference, error = paired_difference(first, second)
    return difference / error if error > 0 else 0.0


def paired_difference(first: CorpusStatistics, second: CorpusStatistics) -> tuple[float, float]:
    """Return by how much the first is better on the same utterances, and the standard error of that.

    The error is 0 where there are too few utterances for resamples.
    """
    sign = 1 if first.metric.higher_is_better else -1
    resampled = first.resampled_scores - second.resampled_scores
    return sign * (first.score() - second.score()), float(np.std(resampled)) if resampled.size else 0.0


def rank(known: Sequence[Measured]) -> list[int]:
    """Return positions, best first: by Pareto fronts of optimistic score and cost, within one wide gaps."""
    if not known:
        return []
    hopes = _hopes(known)
    costs = np.log([max(each.cost, 1e-9) for each in known])
    points = np.stack([hopes, -costs], 1)
    order, left = list[int](), list(range(len(known)))
    while left:
        counts = count_dominating(points[left].tolist(), (1, 1))
        front = [position for position, count in zip(left, counts, strict=True) if count == 0]
        order += [front[n] for n in np.argsort(-_crowding(points[front]), kind="stable")]
        left = [position for position in left if position not in front]
    return order


def _hopes(known: Sequence[Measured]) -> FloatArray:
    """Return signed scores with what their distance to the best may be wrong by."""
    sign = 1 if known[0].statistics.metric.higher_is_better else -1
    scores = np.array([sign * each.statistics.score() for each in known])
    best = known[int(scores.argmax())].statistics
    errors = [paired_difference(each.statistics, best)[1] for each in known]
    return np.asarray(scores + OPTIMISM * np.array(errors))


def _crowding(points: FloatArray) -> FloatArray:
    """Return the distances of neighbors on a front (Deb et al. 2002); its ends have infinity."""
    distances = np.zeros(len(points))
    for column in range(points.shape[1]):
        order = np.argsort(points[:, column])
        values = points[order, column]
        span = values[-1] - values[0]
        distances[order[[0, -1]]] = np.inf
        if span > 0 and len(points) > 2:
            distances[order[1:-1]] += (values[2:] - values[:-2]) / span
    return distances
