"""The simulation of shards over cards, against what can be said without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.system.simulation import Costs, Shard, make_shards, simulate, size_real_pools

lengths = st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=40)


def shards_of(seconds: list[float]) -> list[Shard]:
    return [Shard(1, length) for length in seconds]


@given(lengths, st.floats(0, 10), st.floats(0, 1))
def test_one_worker_does_everything_in_turn(seconds: list[float], model: float, loading: float) -> None:
    simulated = simulate(shards_of(seconds), (0.1,), [1], Costs(model=model, loading=loading))
    assert simulated.seconds == pytest.approx(0.1 * sum(seconds) + model + loading * len(seconds))
    assert simulated.lost_shards == 0


@given(lengths, st.integers(1, 20), st.integers(1, 20), st.floats(0, 10), st.floats(0, 1))
def test_bounds(seconds: list[float], first: int, second: int, model: float, driver: float) -> None:
    costs = Costs(model=model, driver=driver)
    simulated = simulate(shards_of(seconds), (0.1, 0.05), [first, second], costs)
    work = sum(seconds)
    least = max(0.1 * work / first, 0.05 * work / second, 0.15 * max(seconds), driver * len(seconds))
    assert least - 1e-6 <= simulated.seconds <= 0.15 * work + model * 2 + driver * len(seconds) + 1e-6
    assert 0 < simulated.busy <= 1


def test_equal_shards_are_rounds_and_nodes_follow_each_other() -> None:
    assert simulate(shards_of([2.0] * 12), (1.0,), [4], Costs()).seconds == 6.0
    assert simulate(shards_of([2.0] * 13), (1.0,), [4], Costs()).seconds == 8.0
    assert simulate(shards_of([2.0] * 12), (1.0, 1.0), [1, 1], Costs()).seconds == 26.0


@given(lengths, st.floats(500.0, 5000.0), st.integers(0, 5))
def test_a_lost_worker_costs_the_shard_that_it_computes(
    seconds: list[float], every: float, seed: int
) -> None:
    costs = Costs(lost_every=every, restart=1.0)
    simulated = simulate(shards_of(seconds), (0.1,), [1], costs, seed)
    undisturbed = simulate(shards_of(seconds), (0.1,), [1], Costs()).seconds
    assert simulated.lost_shards <= simulated.lost_workers
    most = simulated.lost_workers * (1.0 + 0.1 * max(seconds))
    assert undisturbed - 1e-6 <= simulated.seconds <= undisturbed + most + 1e-6


def test_shards_are_cut_as_the_program_cuts_them() -> None:
    shards = make_shards(50, 10.0)
    assert sum(shard.seconds for shard in shards) == pytest.approx(50 * 3600)
    assert 300 < 50 * 3600 / len(shards) < 1000
    assert size_real_pools((0.02, 0.005), 10, shards) == [8, 2]
