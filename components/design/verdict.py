"""From measured finalists to a claimed front, the steps along it, and one recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from components.design.candidates import Candidate
from components.design.front import Front, claim_front
from components.design.racing.race import Race
from components.design.racing.selection import paired_difference
from components.design.recommendation import (
    Facts,
    Finalist,
    cost_of,
    describe_missed,
    name_nearest,
    recommend_agreeing,
    recommend_cheapest,
)
from components.design.study import CandidateRecord, Design, Step
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.corpus_statistics import CorpusStatistics


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
        recommended, reason = recommend_agreeing(members, finalists, front, facts)
    else:
        recommended, reason = recommend_cheapest(members, finalists, front, facts.cost, candidates)
    if not numbers:
        reason = name_nearest(finalists, candidates)
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
        if number in race.dominated:
            better = candidates[race.dominated[number]].name
            values["reason"] = f"{better} costs no more and is surely better on the search data"
        if number in race.faults:
            values = {"state": "failed", "reason": race.faults[number]}
        if number in finalists:
            each = finalists[number]
            values = {
                "searched": each.searched.to_score(),
                "score": each.statistics.to_score(),
                "costs": each.costs,
                "limits": each.limits,
                **_state(number, finalists, positions, front, numbers, candidates),
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
    finalists: Mapping[int, Finalist],
    positions: Mapping[int, int],
    front: Front,
    numbers: Sequence[int],
    candidates: Sequence[Candidate],
) -> dict[str, Any]:
    if number not in positions:
        missed = describe_missed(finalists[number].limits)
        return {"state": "over limit", "reason": f"it does not surely keep {missed}"}
    position = positions[number]
    bound = front.bounds[position]
    if position in front.members:
        return {"state": "front", "bound": bound}
    by = front.dominated_by[position]
    assert by is not None  # who has no rival that costs no more is a member
    gain, error = paired_difference(finalists[numbers[by]].statistics, finalists[number].statistics)
    most = gain + front.critical * error
    how = "is as good" if gain == 0 else f"is better by {gain:.3g}, up to {most:.3g}"
    if gain < 0:
        how = f"may be better by up to {most:.3g}, more than the margin"
    reason = f"{candidates[numbers[by]].name} costs no more, and {how}"
    return {"state": "dominated", "bound": bound, "reason": reason}
