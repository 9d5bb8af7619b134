from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.metrics.statistics import bootstrap
from components.metrics.statistics.bootstrap import draw_counts, ratio_interval, widen_to_contain
from components.metrics.statistics.significance import detectable_effect


def test_resamples_are_the_stated_draw() -> None:
    """And their first thousand those of sacreBLEU's default."""
    counts = np.concatenate(list(draw_counts(11)))
    drawn = np.random.default_rng(12345).choice(11, (10_000, 11))
    assert np.array_equal(counts, (drawn[:, :, None] == np.arange(11)).sum(1))
    assert draw_counts(11) is draw_counts(11)  # drawn once for all that ask


@pytest.mark.parametrize(("at_once", "max_cached"), [(1 << 20, 1 << 25), (5000, 0)])
def test_sums_of_resamples_are_those_of_a_plain_loop(
    monkeypatch: pytest.MonkeyPatch, at_once: int, max_cached: int
) -> None:
    monkeypatch.setattr(bootstrap, "_DRAWS_PER_BATCH", at_once)  # cut in pieces, the draw is the same
    monkeypatch.setattr(bootstrap, "_MAX_CACHED_DRAWS", max_cached)
    table = np.random.default_rng(1).integers(0, 50, (23, 4)).astype(float)
    drawn = np.random.default_rng(12345).choice(23, (10_000, 23))
    plain = np.stack([table[rows].sum(0) for rows in drawn])
    assert np.array_equal(bootstrap.resample_sums(table), plain)
    left, right = bootstrap.resample_together([table[:, :1], table[:, 1:]])
    assert np.array_equal(np.concatenate([left, right], 1), plain)


def test_tables_of_counts_are_copied_once_in_short_numbers() -> None:
    """Of 300,000 texts they have hundreds of MB; they were there four times."""
    tables = [np.ones((100_000, 12)), np.ones((100_000, 8))]
    tracemalloc.start()
    try:
        bootstrap.resample_together(tables, resamples=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 0.75 * sum(table.nbytes for table in tables)


def test_of_too_few_nothing_is_drawn() -> None:
    """One BLEU of 3.67 had the interval 3.67 to 3.67."""
    assert list(draw_counts(9)) == []
    assert bootstrap.resample_sums(np.ones((9, 2))).shape == (0, 2)
    assert ratio_interval([1] * 9, [4] * 9) is None
    assert bootstrap.bootstrap_interval([], 9.0) is None
    assert detectable_effect(np.zeros(0)) is None


def test_width_of_a_coin() -> None:
    """100 fair coins: the mean's standard error is 0.05, so the 95% interval is about 0.5 ± 0.098."""
    low, high = ratio_interval([0, 1] * 50, [1] * 100) or (0.0, 1.0)
    assert low == pytest.approx(0.402, abs=0.02)
    assert high == pytest.approx(0.598, abs=0.02)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=10, max_size=20))
def test_contains_the_value(rows: list[tuple[int, int]]) -> None:
    errors, lengths = zip(*rows, strict=True)
    low, high = ratio_interval(errors, lengths) or (1.0, 0.0)
    assert low <= sum(errors) / sum(lengths) <= high


def test_widened_to_hold_the_value() -> None:
    assert widen_to_contain((1.0, 2.0), 1.5) == (1.0, 2.0)
    assert widen_to_contain((1.0, 2.0), 2.5) == (1.0, 2.5)
    assert widen_to_contain((1.0, 2.0), 0.5) == (0.5, 2.0)
