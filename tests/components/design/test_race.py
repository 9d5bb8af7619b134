"""Races over a table of known scores: who goes on, and what that saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.design.candidates import Candidate
from components.design.race import (
    Everything,
    Measured,
    dominated_area,
    rank,
    run_race,
    select,
    surely_dominated,
)
from components.design.sampler import Sampled
from tests.components.design.test_front import table

SIZES = (20, 60, 180)


def outputs(rates: Sequence[float]) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.binomial(10, rate, SIZES[-1]) for rate in rates]


def evaluator(errors: Sequence[np.ndarray], costs: Sequence[float], seen: list[tuple[int, int]]):  # type: ignore[no-untyped-def]
    def evaluate(members: Sequence[int], rung: int) -> Mapping[int, Measured | str]:
        seen.extend((number, rung) for number in members)
        nodes = [{f"node {n}": costs[n]} for n in range(len(costs))]
        return {n: Measured(table(errors[n][: SIZES[rung]]), costs[n], 0.0, nodes[n]) for n in members}

    return evaluate


def test_the_front_survives_and_what_is_surely_worse_does_not() -> None:
    rates, costs = [0.5, 0.2, 0.6, 0.1, 0.7, 0.15], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    seen: list[tuple[int, int]] = []
    race = run_race(Everything(6), 3, evaluator(outputs(rates), costs, seen), share=0.5)
    assert {0, 1, 3} <= set(race.finalists(3))
    assert not {2, 4} & set(race.finalists(3))
    assert "candidate" in race.dropped[4]
    assert len([rung for _, rung in seen if rung == 2]) < 6


def test_a_fault_and_the_end_of_the_time_stop_one_candidate_each() -> None:
    def evaluate(members: Sequence[int], rung: int) -> Mapping[int, Measured | str]:
        measured = {n: Measured(table(np.full(SIZES[rung], 1 + n)), 1.0 + n) for n in members}
        return {**measured, 1: "it has no model"} if 1 in members else measured

    time = iter([True, True, False, False, False])
    race = run_race(Everything(4), 2, evaluate, share=1.0, batch=2, has_time=lambda: next(time, False))
    assert race.faults == {1: "it has no model"}
    assert race.finalists(2) == []
    assert "no time was left" in race.dropped.values()


def test_what_breaks_a_limit_goes_on_only_where_nothing_keeps_it() -> None:
    errors = outputs([0.1, 0.3])
    known = [Measured(table(errors[0]), 1.0, violation=0.5), Measured(table(errors[1]), 2.0)]
    assert surely_dominated(known) == [None, None]  # it is better and cheaper, but breaks a limit
    race = run_race(Everything(2), 2, lambda members, rung: {n: known[n] for n in members})
    assert race.finalists(2) == [1]


def test_what_goes_on_fits_the_seconds_and_what_is_shared_counts_once() -> None:
    errors = outputs([0.5, 0.3, 0.1, 0.1])
    nodes = [{"a": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 3.0}, {"d": 9.0}]
    known = [Measured(table(e), sum(own.values()), 0.0, own) for e, own in zip(errors, nodes, strict=True)]
    assert set(select(known, 6.0)) == {0, 1, 2}
    assert set(select(known, 4.0)) == {0, 2}
    assert len(select(known, 0.1)) == 1


def test_the_area_under_a_front_is_that_of_its_squares() -> None:
    rng = np.random.default_rng(8)
    points = rng.integers(0, 12, (9, 2))
    cells = sum(any(score > y and cost <= x for score, cost in points) for x in range(12) for y in range(12))
    assert dominated_area(points[:, 0].astype(float), points[:, 1].astype(float), (0.0, 12.0)) == cells


def test_ranks_are_pareto_fronts_of_hopes() -> None:
    exact = [Measured(table(np.full(100, errors)), cost) for errors, cost in ((1, 4), (2, 2), (3, 3), (4, 1))]
    assert set(rank(exact)[:3]) == {0, 1, 3}


def test_the_sampler_draws_each_candidate_once_and_prefers_what_was_good() -> None:
    candidates = [
        Candidate(f"{t}{m}", t, {}, (), (("templates", t), (f"{t}.models", str(m))))
        for t in ("good", "bad")
        for m in range(20)
    ]
    sampled = Sampled(candidates, 30, higher_is_better=False, seed=1)
    drawn: list[int] = []
    while batch := sampled.propose(5):
        for number in batch:
            drawn.append(number)
            rate = 1 if candidates[number].template == "good" else 8
            sampled.tell(number, Measured(table(np.full(20, rate)), 1.0))
    assert len(drawn) == len(set(drawn)) == 30
    assert sum(candidates[number].template == "good" for number in drawn[10:]) > 12
