"""Ranks and martingales: against plain loops, and by their promise that false alarms are rare for ever."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.monitoring.drift.conformal import STEP, gather_evidence, rank

RNG = np.random.default_rng(5)


def test_ranks_are_those_of_a_plain_loop() -> None:
    accepted, stream, draws = RNG.integers(0, 5, 12) * 1.0, RNG.integers(0, 6, 15) * 1.0, RNG.random(15)
    for n, value in enumerate(stream):
        seen = [*accepted, *stream[:n]]
        above, equal = sum(x > value for x in seen), sum(x == value for x in seen)
        expected = (above + draws[n] * (equal + 1)) / (len(seen) + 1)
        assert rank(accepted, stream, draws)[n] == pytest.approx(expected)


def test_the_evidence_is_the_capital_of_gamblers_who_begin_at_every_tenth_place() -> None:
    ranks = RNG.random(35)
    evidence = gather_evidence(ranks)
    mass = 2.1097428012368918974
    for n in range(len(ranks)):
        capital, spent = 0.0, 0.0
        for block in range(n // STEP + 1):
            k = block + 2
            weight = 1 / (mass * k * math.log(k) ** 2)
            spent += weight
            wins = np.exp(evidence.gains[:, block * STEP : n + 1].sum(1)).mean()
            capital += weight * wins
        assert math.exp(evidence.capital[n]) == pytest.approx(capital + 1 - spent)


def test_every_density_is_one_at_most() -> None:
    grid = (np.arange(20_000) + 0.5) / 20_000
    masses = np.exp(gather_evidence(grid).gains).mean(1)
    assert (masses < 1 + 1e-6).all()  # a sum misses what lies at the very edge
    assert masses[[3, 7, 11, 12]] == pytest.approx(np.ones(4), rel=0.03)


def test_false_alarms_are_rare_over_the_whole_life() -> None:
    heavy = RNG.standard_cauchy((150, 1200))
    highest = [
        gather_evidence(rank(life[:200], life[200:], RNG.random(1000))).capital.max() for life in heavy
    ]
    assert np.mean(np.array(highest) >= math.log(10)) <= 0.1


@pytest.mark.parametrize(
    ("change", "direction"),
    [
        (lambda x: x + 1, "higher"),
        (lambda x: x - 1, "lower"),
        (lambda x: 4 * x, "more spread"),
        (lambda x: x / 9, "less spread"),
    ],
)
def test_a_change_is_found_with_its_place_and_direction(change: object, direction: str) -> None:
    assert callable(change)
    stream = RNG.normal(size=400)
    stream[250:] = change(stream[250:])
    evidence = gather_evidence(rank(RNG.normal(size=300), stream, RNG.random(400)))
    assert evidence.capital[:250].max() < math.log(1000) < evidence.capital[330:].min()
    assert abs(evidence.onset(331) - 250) <= 25
    assert evidence.direction(evidence.onset(331)) == direction
