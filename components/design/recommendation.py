"""One recommendation of the systems on a front, or what is missing for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from components.design.candidates import Candidate
from components.design.front import Front
from components.design.goal import Costs, LimitTest
from components.design.racing.selection import paired_difference
from components.design.unreferenced import Unreferenced
from components.metrics.statistics.corpus_statistics import CorpusStatistics


class Finalist(NamedTuple):
    """A candidate that was measured on the data that the search never saw.

    Attributes:
        statistics: there.
        searched: on all of the search data.
        costs: there.
        limits: tests of the limits there.
    """

    statistics: CorpusStatistics
    searched: CorpusStatistics
    costs: Costs
    limits: tuple[LimitTest, ...]

    @property
    def keeps_limits(self) -> bool:
        """Whether it surely keeps all of them."""
        return all(test.keeps for test in self.limits)


class Facts(NamedTuple):
    """What the search was: name of the cost, its rungs, the margin that was asked for, seconds, notes.

    ``without`` stands in place of references; None where there are some.
    """

    cost: str
    rung_sizes: tuple[int, ...]
    margin: float | None
    spent: float
    budget: float | None
    notes: tuple[str, ...]
    without: Unreferenced | None = None


def cost_of(costs: Costs, name: str) -> float:
    """Return the cost that a front is over."""
    value: float | None = getattr(costs, name)
    assert value is not None, name  # checked with the goal
    return value


def recommend_cheapest(
    members: Sequence[int],
    finalists: Mapping[int, Finalist],
    front: Front,
    cost: str,
    candidates: Sequence[Candidate],
) -> tuple[int | None, str]:
    """Return the cheapest member that the best is not surely better than."""
    if not members:
        return None, ""
    best = max(members, key=lambda number: _signed(finalists[number].statistics))
    for number in members:
        gain, error = paired_difference(finalists[best].statistics, finalists[number].statistics)
        if number == best or gain - front.critical * error <= 0:
            break
    if number == best:
        more = [m for m in members if m != best]
        why = "it has the best score, and every cheaper one is surely worse" if more else "it is the only one"
        return best, why
    metric = finalists[best].statistics.metric.name
    saved = 1 - cost_of(finalists[number].costs, cost) / cost_of(finalists[best].costs, cost)
    return number, (
        f"{candidates[best].name} has the best score, {gain:.3g} {metric} better, but the data do not tell "
        f"the two apart, and this one costs {saved:.0%} less"
    )


def recommend_agreeing(
    members: Sequence[int], finalists: Mapping[int, Finalist], front: Front, facts: Facts
) -> tuple[int | None, str]:
    """Return the cheapest member that surely loses no more than the margin against the largest model."""
    assert facts.without is not None
    if facts.margin is None:
        return None, f"state margin, the points of {facts.without.metric} that may be lost"
    for number in members:
        table = finalists[number].statistics
        apart = abs(table.score() - table.metric.ceiling)
        upper = apart + front.critical * float(np.std(table.resampled_scores))
        if upper <= facts.margin:
            return (
                number,
                f"its texts are at most {upper:.3g} {facts.without.metric} apart from the largest's",
            )
    return None, f"none surely loses at most {facts.margin:g} {facts.without.metric}"


def _signed(table: CorpusStatistics) -> float:
    return (1 if table.metric.higher_is_better else -1) * table.score()


def name_nearest(finalists: Mapping[int, Finalist], candidates: Sequence[Candidate]) -> str:
    """Return which finalist is nearest to the limits, and by how much it misses them."""

    def excess(test: LimitTest) -> float:
        return (test.measured if test.upper is None else test.upper) / test.allowed

    number, nearest = min(finalists.items(), key=lambda item: max(map(excess, item[1].limits)))
    missed = describe_missed(nearest.limits)
    return f"nothing surely keeps the limits; the nearest is {candidates[number].name}: {missed}"


def describe_missed(limits: Sequence[LimitTest]) -> str:
    """Return which limits a system does not surely keep, and by how much."""
    return ", ".join(str(test) for test in limits if not test.keeps)
