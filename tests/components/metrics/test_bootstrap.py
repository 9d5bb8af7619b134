from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.metrics.bootstrap import containing, percentile_interval, resamples


def test_resamples_are_the_stated_draw() -> None:
    rows = list(resamples(3))
    assert len(rows) == 1000
    assert [row.tolist() for row in rows] == [row.tolist() for row in resamples(3)]
    assert {int(i) for row in rows for i in row} == {0, 1, 2}


def test_no_spread_no_width() -> None:
    assert percentile_interval([1, 1, 1], [4, 4, 4]) == (0.25, 0.25)
    assert percentile_interval([2], [8]) == (0.25, 0.25)


def test_width_of_a_coin() -> None:
    """100 fair coins: the mean's standard error is 0.05, so the 95% interval is about 0.5 ± 0.098."""
    low, high = percentile_interval([0, 1] * 50, [1] * 100)
    assert low == pytest.approx(0.402, abs=0.02)
    assert high == pytest.approx(0.598, abs=0.02)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=20))
def test_contains_the_value(rows: list[tuple[int, int]]) -> None:
    errors, lengths = zip(*rows, strict=True)
    low, high = percentile_interval(errors, lengths)
    assert low <= sum(errors) / sum(lengths) <= high


def test_widened_to_hold_the_value() -> None:
    assert containing((1.0, 2.0), 1.5) == (1.0, 2.0)
    assert containing((1.0, 2.0), 2.5) == (1.0, 2.5)
    assert containing((1.0, 2.0), 0.5) == (0.5, 2.0)
