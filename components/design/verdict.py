"""From measured finalists to a claimed front, the steps along it, and one recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from components.design.candidates import Candidate
from components.design.front import Front, claim_front
from components.design.goal import Costs, LimitTest
from components.design.racing.race import Race
from components.design.racing.selection import paired_difference
from components.design.study import CandidateRecord, Design, Step
from components.design.unreferenced import Unreferenced
from components.metrics.statistics.bootstrap import Estimate
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


def conclude(
    candidates: Sequence[Candidate], race: Race, finalists: Mapping[int, Finalist], facts: Facts
) -> Design:
    """Return what a design found.

    Args:
        candidates: all of them.
        race: the search.
        finalists: candidate -> what was measured on the data that the search never saw; at least one.
        facts: of the search.
    """
    numbers = [number for number, each in finalists.items() if each.keeps_limits]
    tables = [finalists[number].statistics for number in numbers]
    costs = [cost_of(finalists[number].costs, facts.cost) for number in numbers]
    front = claim_front(tables, costs, facts.margin) if numbers else Front((), 0.0, 0.0, (), ())
    metric = next(iter(finalists.values())).statistics.metric
    members = tuple(numbers[position] for position in front.members)
    steps = _steps(members, finalists, front.critical, facts.cost)
    if facts.without is not None and facts.without.agrees:
        recommended, reason = _recommend_agreeing(members, finalists, front, facts)
    else:
        recommended, reason = _recommend(members, finalists, front, facts.cost, candidates)
    if not numbers:
        reason = _nearest(finalists, candidates)
    return Design(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        cost=facts.cost,
        rung_sizes=facts.rung_sizes,
        n_confirm=len(next(iter(finalists.values())).statistics.ids),
        candidates=tuple(_records(candidates, race, finalists, numbers, front)),
        front=members,
        steps=steps,
        margin=front.margin,
        margin_is_stated=facts.margin is not None,
        detectable=_detectable(tables, front.critical),
        recommended=recommended,
        reason=reason,
        optimism=_optimism([finalists[number] for number in members]),
        spent=facts.spent,
        budget=facts.budget,
        notes=facts.notes,
        caution="" if facts.without is None else f"{facts.without}.",
    )


def cost_of(costs: Costs, name: str) -> float:
    """Return the cost that a front is over."""
    value: float | None = getattr(costs, name)
    assert value is not None, name  # checked with the goal
    return value


def _steps(
    members: Sequence[int], finalists: Mapping[int, Finalist], critical: float, cost: str
) -> tuple[Step, ...]:
    steps = []
    for cheaper, dearer in pairwise(members):
        one, other = finalists[cheaper], finalists[dearer]
        gain, error = paired_difference(other.statistics, one.statistics)
        interval = (gain - critical * error, gain + critical * error) if error > 0 else None
        factor = cost_of(other.costs, cost) / max(cost_of(one.costs, cost), 1e-9)
        estimate = Estimate(value=gain, interval=interval)
        steps.append(Step(cheaper=cheaper, dearer=dearer, gain=estimate, factor=factor))
    return tuple(steps)


def _recommend(
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
    saved = 1 - cost_of(finalists[number].costs, cost) / cost_of(finalists[best].costs, cost)
    return number, (
        f"{candidates[best].name} has the best score, {gain:.3g} more, but the data do not tell the "
        f"two apart, and this one costs {saved:.0%} less"
    )


def _recommend_agreeing(
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


def _nearest(finalists: Mapping[int, Finalist], candidates: Sequence[Candidate]) -> str:
    """Return which finalist is nearest to the limits, and by how much it misses them."""

    def excess(test: LimitTest) -> float:
        return (test.measured if test.upper is None else test.upper) / test.allowed

    number, nearest = min(finalists.items(), key=lambda item: max(map(excess, item[1].limits)))
    missed = ", ".join(
        f"{test.limit} {test.measured:.3g}"
        + (f" (up to {test.upper:.3g})" if test.upper is not None else " (too few data for a bound)")
        + f" for at most {test.allowed:.3g}"
        for test in nearest.limits
        if not test.keeps
    )
    return f"nothing surely keeps the limits; the nearest is {candidates[number].name}: {missed}"


def _detectable(tables: Sequence[CorpusStatistics], critical: float) -> float | None:
    errors = [paired_difference(a, b)[1] for n, a in enumerate(tables) for b in tables[n + 1 :]]
    positive = [error for error in errors if error > 0]
    return critical * float(np.median(positive)) if positive else None


def _optimism(finalists: Sequence[Finalist]) -> Estimate | None:
    if not finalists:
        return None
    sign = 1 if finalists[0].statistics.metric.higher_is_better else -1
    values = [sign * (each.searched.score() - each.statistics.score()) for each in finalists]
    return Estimate(value=float(np.mean(values)), interval=None)


def _records(
    candidates: Sequence[Candidate],
    race: Race,
    finalists: Mapping[int, Finalist],
    numbers: Sequence[int],
    front: Front,
) -> list[CandidateRecord]:
    positions = {number: position for position, number in enumerate(numbers)}
    records = []
    for number, candidate in enumerate(candidates):
        values: dict[str, Any] = {"state": "dropped", "reason": race.dropped.get(number, "")}
        if number in race.faults:
            values = {"state": "failed", "reason": race.faults[number]}
        if number in finalists:
            each = finalists[number]
            values = {
                "searched": each.searched.to_score(),
                "score": each.statistics.to_score(),
                "costs": each.costs,
                "limits": each.limits,
                **_state(number, positions, front, numbers, candidates),
            }
        known = race.rungs.get(number, [])
        records.append(
            CandidateRecord(
                number=number,
                name=candidate.name,
                templates=candidate.template,
                models=candidate.models,
                graph=candidate.graph,
                rungs=tuple((each.statistics.score(), each.cost) for each in known),
                **values,
            )
        )
    return records


def _state(
    number: int,
    positions: Mapping[int, int],
    front: Front,
    numbers: Sequence[int],
    candidates: Sequence[Candidate],
) -> dict[str, Any]:
    if number not in positions:
        return {"state": "over limit", "reason": "it does not surely keep every limit"}
    position = positions[number]
    bound = front.bounds[position]
    if position in front.members:
        return {"state": "front", "bound": bound}
    by = front.dominated_by[position]
    other = candidates[numbers[by]].name if by is not None else "another one"
    return {
        "state": "dominated",
        "bound": bound,
        "reason": f"{other} costs no more, and may be better by up to {bound:.3g}",
    }
