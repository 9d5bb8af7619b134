"""Bounds of limits against their stated error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from components.design.goal import Limits
from components.design.limit_tests import bound_quantile, bound_ratio


@pytest.mark.parametrize("n", [59, 60, 100, 500])
def test_the_bound_of_a_quantile_is_the_smallest_order_statistic_that_covers(n: int) -> None:
    values = list(range(1, n + 1))  # so that the bound is its own rank
    rank = bound_quantile("p95", 1.0, values).upper
    assert binom.cdf(rank - 1, n, 0.95) >= 0.95
    assert binom.cdf(rank - 2, n, 0.95) < 0.95


def test_a_quantile_of_few_has_no_bound_and_no_verdict() -> None:
    few = bound_quantile("p95", 10.0, [1.0] * 58)
    assert few.upper is None
    assert few.keeps is None
    assert bound_quantile("p95", 0.5, [1.0] * 58).keeps is False  # what is seen to break it breaks it


def test_the_bound_of_a_ratio_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        sizes = rng.uniform(5, 15, 10)
        costs = 2.0 * sizes + rng.normal(0, 3, 10)
        upper = bound_ratio("seconds", 1.0, costs, sizes).upper
        held += upper is not None and upper >= 2.0
    assert 0.92 <= held / 400 <= 0.98


def test_one_block_has_no_bound() -> None:
    assert bound_ratio("seconds", 3.0, [2.0], [1.0]).keeps is None
    unsure = bound_ratio("seconds", 3.0, [1.0, 4.0], [1.0, 1.0])
    assert (unsure.measured, unsure.keeps) == (2.5, None)  # it may break it


def test_sizes_are_read_as_people_write_them() -> None:
    assert Limits(memory="4GB").memory == 4 * 10**9
    assert Limits(memory="1.5 GiB").memory == round(1.5 * 2**30)
    with pytest.raises(ValueError, match="memory"):
        Limits(memory="much")
