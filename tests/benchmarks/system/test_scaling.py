"""The simulation of shards over workers, against what can be said without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.system.simulation import STAGES, Basis, Costs, scale_costs, simulate

BASIS = Basis(
    items_per_hour=970,
    core_seconds={"asr": 0.17, "mt": 0.0075},
    load=dict.fromkeys(STAGES, 10.0),
    driver=dict.fromkeys(STAGES, 0.08),
    spread={stage: [1.0] for stage in STAGES},
)
shards = st.lists(st.floats(0.1, 100.0), min_size=1, max_size=60)


@given(shards, st.floats(0, 10), st.floats(0, 1))
def test_one_worker_does_everything_in_turn(times: list[float], load: float, driver: float) -> None:
    """The driver prepares ahead: it costs before the first shard, and where it is slower than the worker."""
    expected = sum(times) + load
    result = simulate(Costs(times, load, driver), 1)
    assert expected + driver - 1e-6 <= result <= expected + driver * len(times) + 1e-6


@given(shards, st.integers(1, 80), st.floats(0, 10), st.floats(0, 1))
def test_bounds(times: list[float], workers: int, load: float, driver: float) -> None:
    result = simulate(Costs(times, load, driver), workers)
    assert result >= max(sum(times) / workers, max(times), driver * len(times)) - 1e-6
    assert result <= sum(times) + load * len(times) + driver * len(times) + 1e-6


def test_equal_shards_are_rounds() -> None:
    assert simulate(Costs([2.0] * 12, 0.0, 0.0), 4) == 6.0
    assert simulate(Costs([2.0] * 13, 0.0, 0.0), 4) == 8.0
    assert simulate(Costs([2.0] * 12, 5.0, 0.0), 4) == 11.0


def test_shards_land_in_order() -> None:
    """Two workers have four shards in flight: a slow first one holds the fifth up, though one is idle."""
    assert simulate(Costs([10.0, 1, 1, 1, 1], 0.0, 0.0), 2) == 11.0
    assert simulate(Costs([1.0, 1, 1, 1, 10], 0.0, 0.0), 2) == 12.0


@pytest.mark.parametrize("hours", [0.5, 10, 10_000])
def test_scaling_keeps_the_work(hours: float) -> None:
    for stage in STAGES:
        costs = scale_costs(BASIS, stage, hours)
        assert len(costs.shards) <= 200
        work = BASIS.core_seconds[stage] * hours * 3600
        assert work <= sum(costs.shards) <= work * 1.1
