"""Thresholds for budgets and targets, and curves, against enumeration by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.metrics.error_rates.wer import WordErrorRate
from components.routing.cost_quality import find_cuts, trace_curve
from components.routing.learning import DevelopmentSet, learn_route
from components.routing.objective import Objective, Target
from components.routing.route_fit import RouteFit, TierCosts
from components.routing.rung_outputs import RungOutputs

WER = WordErrorRate()


def outputs(cheap: list[int], expensive: list[int], length: int = 10) -> RungOutputs:
    """Errors of both rungs on references of so many words."""
    tables = [np.asarray([(errors, length) for errors in tier], np.float64) for tier in (cheap, expensive)]
    return RungOutputs(WER, *tables)


def development(values: list[float], tiers: RungOutputs | None = None, **fields: object) -> DevelopmentSet:
    numbers = np.asarray(values, np.float64)
    given = {"by": "mean_log_prob", "doubtful": "low", "units": np.ones(len(numbers)), **fields}
    return DevelopmentSet(values=numbers, outputs=tiers, **given)  # type: ignore[arg-type]


def escalating(fit: RouteFit, values: list[float]) -> list[bool]:
    return [fit.escalates_at(value) for value in values]


@settings(max_examples=60)
@given(
    st.lists(st.integers(-4, 4) | st.just(float("inf")), min_size=1, max_size=25),
    st.floats(0.01, 1),
    st.sampled_from(["low", "high"]),
)
def test_a_budget_is_the_largest_set_of_the_most_doubtful_within_it(
    values: list[float], budget: float, doubtful: str
) -> None:
    fit = learn_route(development(values, doubtful=doubtful), Objective(budget=budget))
    escalated = escalating(fit, values)
    assert sum(escalated) == fit.size <= budget * len(values) + 1e-9
    sign = 1 if doubtful == "low" else -1
    kept = [value for value, goes in zip(values, escalated, strict=True) if not goes]
    gone = [value for value, goes in zip(values, escalated, strict=True) if goes]
    assert not (kept and gone) or max(sign * v for v in gone) < min(sign * v for v in kept)
    if kept:  # the next value would break it
        nearest = min(kept, key=lambda value: sign * value)
        assert len(gone) + kept.count(nearest) > budget * len(values)


def test_a_fit_is_read_back_as_it_was_written() -> None:
    fit = learn_route(
        development([-3, -2, -1, 0], outputs([4, 2, 1, 0], [1, 1, 1, 1])), Objective(budget=0.5)
    )
    assert RouteFit.model_validate_json(fit.model_dump_json()) == fit
    assert (fit.threshold, fit.size, fit.quality) == (-2, 2, 100 * 3 / 40)


def test_a_target_is_reached_by_the_fewest() -> None:
    values = [float(n) for n in range(60)]
    tiers = outputs([5] * 30 + [0] * 30, [1] * 60)  # escalating the last thirty does harm
    for target in (20.0, 10.0, 6.0, 5.0):
        fit = learn_route(development(values, tiers), Objective(target=Target(value=target)))
        sizes = [n for n in range(61) if (150 - 4 * min(n, 30) + max(n - 30, 0)) / 6 <= target]
        assert fit.size == sizes[0]
        assert fit.interval is not None and fit.interval[0] <= fit.quality <= fit.interval[1]
    with pytest.raises(DataError) as fault:
        learn_route(development(values, tiers), Objective(target=Target(value=3.0)))
    assert str(fault.value) == (
        "target: expected wer 3 or better, found that 60 development utterances reach 5.00 at best, with 50% "
        "escalated (25.00 with none, 10.00 with all)"
    )


def test_of_fewer_than_fifty_no_target_is_learned() -> None:
    tiers = outputs([1] * 49, [0] * 49)
    with pytest.raises(
        DataError, match=r"target: expected at least 50 development utterances with references, found 49"
    ):
        learn_route(development([float(n) for n in range(49)], tiers), Objective(target=Target(value=1)))


def test_seconds_are_those_of_what_escalates() -> None:
    costs = TierCosts(cheap=2, expensive=20, units=10, unit="second of audio")
    dev = development([-3, -2, -1, 0], units=np.asarray([4.0, 1, 2, 3]), costs=costs)
    sizes = {
        budget: learn_route(dev, Objective(budget_seconds=budget)).size for budget in (0.99, 1.0, 1.2, 3)
    }
    assert sizes == {0.99: 0, 1.0: 1, 1.2: 2, 3: 4}  # 0.2 s, and 2 s for each second of what escalates
    assert learn_route(dev, Objective(budget_seconds=1.2)).cost_share == 0.5
    with pytest.raises(
        DataError, match=r"expected at least the 0.2 s per second of audio that the cheap rung"
    ):
        learn_route(dev, Objective(budget_seconds=0.1))


def test_the_oracle_is_the_best_of_all_subsets_and_random_is_their_mean() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        cheap, expensive = rng.integers(0, 6, (2, 7)).tolist()
        curve = trace_curve(find_cuts(rng.random(7)), outputs(cheap, expensive))
        for size, point in enumerate(curve.points):
            rates = [
                100 * (sum(cheap) + sum(expensive[n] - cheap[n] for n in subset)) / 70
                for subset in combinations(range(7), size)
            ]
            assert point.oracle == pytest.approx(min(rates))
            assert point.random == pytest.approx(np.mean(rates), abs=0.6)
            low, high = point.band
            assert min(rates) - 1e-9 <= low <= high <= max(rates) + 1e-9


def test_the_area_is_one_of_the_oracle_and_nothing_of_a_constant() -> None:
    tiers = outputs([9, 0, 4, 2, 7, 1], [1, 1, 1, 1, 1, 1])
    assert trace_curve(find_cuts(tiers.gains), tiers).area == pytest.approx(1)
    assert trace_curve(find_cuts(np.zeros(6)), tiers).area == pytest.approx(0, abs=0.02)
    worst = trace_curve(find_cuts(-tiers.gains), tiers)
    assert worst.area == pytest.approx(-1, abs=0.05)
    assert worst.random_area is not None and worst.random_area[0] < 0 < worst.random_area[1]
    assert trace_curve(find_cuts(tiers.gains), outputs([1] * 6, [1] * 6)).area is None
