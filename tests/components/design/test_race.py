"""Races over a table of known scores: who goes on, and what that saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from components.design.candidates import Candidate
from components.design.goal import ModelChoice
from components.design.racing.mixtures import (
    choose_tiers,
    forecast_seconds,
    identify_nodes,
    mix,
    set_thresholds,
)
from components.design.racing.race import Everything, run_race
from components.design.racing.sampler import Sampled
from components.design.racing.selection import Measured, Work, dominated_area, select, surely_dominated
from components.design.templates import TEMPLATES
from tests.components.design.test_front import table

SIZES = (20, 60, 180)
BLOCKS = (20, 40, 120)


def outputs(rates: Sequence[float]) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.binomial(10, rate, SIZES[-1]) for rate in rates]


def evaluator(errors: Sequence[np.ndarray], costs: Sequence[float], seen: list[tuple[int, int]]):  # type: ignore[no-untyped-def]
    def evaluate(members: Sequence[int], rung: int) -> Mapping[int, Measured | str]:
        seen.extend((number, rung) for number in members)
        left = SIZES[-1] - SIZES[rung]
        nodes = [{f"node {n}": Work(costs[n] * SIZES[-1], costs[n] * left)} for n in range(len(costs))]
        return {n: Measured(table(errors[n][: SIZES[rung]]), costs[n], 0.0, nodes[n]) for n in members}

    return evaluate


def test_the_front_survives_and_what_is_surely_worse_does_not() -> None:
    rates, costs = [0.5, 0.2, 0.6, 0.1, 0.7, 0.15], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    seen: list[tuple[int, int]] = []
    race = run_race(Everything(6), BLOCKS, evaluator(outputs(rates), costs, seen), share=0.5)
    assert {0, 1, 3} <= set(race.finalists(3))
    assert not {2, 4} & set(race.finalists(3))
    assert race.dominated[4] in {0, 1, 3}
    spent = sum(costs[number] * BLOCKS[rung] for number, rung in seen)
    assert spent <= 0.5 * sum(costs) * SIZES[-1]


def test_a_fault_and_the_end_of_the_time_stop_one_candidate_each() -> None:
    def evaluate(members: Sequence[int], rung: int) -> Mapping[int, Measured | str]:
        work = Work(1.0, 1.0 - SIZES[rung] / SIZES[1])
        measured = {
            n: Measured(table(np.full(SIZES[rung], 5 - n)), 1.0 + n, 0.0, {f"{n}": work}) for n in members
        }
        return {**measured, 1: "it has no model"} if 1 in members else measured

    time = iter([True, True, False, False, False])
    race = run_race(Everything(4), (20, 40), evaluate, share=1.0, batch=2, has_time=lambda: next(time, False))
    assert race.faults == {1: "it has no model"}
    assert race.finalists(2) == []
    assert "no time was left" in race.dropped.values()


def test_what_breaks_a_limit_goes_on_only_where_nothing_keeps_it() -> None:
    errors = outputs([0.1, 0.3])
    known = [Measured(table(errors[0]), 1.0, violation=0.5), Measured(table(errors[1]), 2.0)]
    assert surely_dominated(known) == [None, None]  # it is better and cheaper, but breaks a limit
    race = run_race(Everything(2), (20, 160), lambda members, rung: {n: known[n] for n in members})
    assert race.finalists(2) == [1]


def test_what_goes_on_fits_the_seconds_and_what_is_shared_counts_once() -> None:
    errors = outputs([0.5, 0.3, 0.1, 0.1])
    nodes = [{"a": 1.0}, {"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 3.0}, {"d": 9.0}]
    works = [{name: Work(2 * value, value) for name, value in of.items()} for of in nodes]
    known = [
        Measured(table(e), sum(own.values()), 0.0, w) for e, own, w in zip(errors, nodes, works, strict=True)
    ]
    assert set(select(known, 6.0, 1)) == {0, 1, 2}
    assert set(select(known, 4.0, 1)) == {0, 2}
    assert len(select(known, 0.1, 1)) == 1
    assert len(select(known, 0.1)) == 4  # of few, all that may add something


def test_a_route_is_known_by_what_it_chooses_between() -> None:
    rng = np.random.default_rng(3)
    cheap, dear, best = (table(rng.binomial(10, rate, 50)) for rate in (0.5, 0.2, 0.1))
    doubts = [dict(zip(cheap.ids, rng.random(50).tolist(), strict=True)) for _ in range(2)]
    first = sorted(cheap.ids, key=lambda key: doubts[0][key])[-20:]  # 40% of 50
    second = sorted(first, key=lambda key: doubts[1][key])[-8:]  # 40% of 20
    mixed = mix([cheap, dear, best], choose_tiers(doubts, 0.4))
    for n, key in enumerate(cheap.ids):
        of = best if key in second else dear if key in first else cheap
        assert mixed.rows[n].tolist() == of.rows[n].tolist()
    assert mix([cheap, dear], {}) is None  # units that are no utterances


def test_what_a_route_would_take_and_what_it_shares() -> None:
    small, large = (
        ModelChoice(f"packaged:{name}", "recognize") for name in ("whisper-tiny.en", "whisper-base")
    )
    alone, route = (TEMPLATES[name] for name in ("single", "route"))
    nodes = route.build([small, large], {"share": 0.2}, "")
    seconds = forecast_seconds(nodes, 0.2, [{"asr": 1.0}, {"asr": 5.0}])
    assert seconds == {"fast": 1.0, "doubt": 0.0, "good": 1.0, "asr": 0.0}
    mine = identify_nodes(alone.build([small], {"beam": 1}, ""))["asr"]
    assert identify_nodes(nodes)["fast"] == mine  # the same computation by another name
    assert len(set(identify_nodes(nodes).values())) == 4
    assert (
        identify_nodes(route.build([small, large], {"share": 0.4}, ""))["good"]
        != identify_nodes(nodes)["good"]
    )


def test_a_share_becomes_the_threshold_that_sends_it() -> None:
    nodes = {"doubt": {"kind": "route", "of": "fast", "by": "mean_log_prob", "budget": 0.3}}
    values = [-0.1 * n for n in range(10)]
    for budget, sent in ((0.3, 3), (1.0, 10), (0.05, 0)):
        nodes["doubt"]["budget"] = budget
        below = set_thresholds(nodes, lambda name: values)["doubt"]["below"]
        assert sum(value < below for value in values) == sent


def test_the_area_under_a_front_is_that_of_its_squares() -> None:
    rng = np.random.default_rng(8)
    points = rng.integers(0, 12, (9, 2))
    cells = sum(any(score > y and cost <= x for score, cost in points) for x in range(12) for y in range(12))
    assert dominated_area(points[:, 0].astype(float), points[:, 1].astype(float), (0.0, 12.0)) == cells


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
