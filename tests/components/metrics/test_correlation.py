"""Correlations against their definitions, pair by pair, on resamples that are ranked anew."""

from __future__ import annotations

import numpy as np
import pytest

from components.metrics.statistics import correlation
from components.metrics.statistics.bootstrap import FloatArray, draw_counts


def slow_tau(x: FloatArray, y: FloatArray) -> float:
    signs = [np.sign(v[:, None] - v[None, :]) for v in (x.ravel(), y.ravel())]
    both = (signs[0] * signs[1]).sum()
    return float(both / np.sqrt(np.abs(signs[0]).sum() * np.abs(signs[1]).sum()))


@pytest.mark.parametrize("systems", [1, 3])
def test_both_are_those_of_the_definition_also_of_resamples(systems: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, (14, systems)).astype(float)  # with ties
    y = x + rng.integers(0, 5, x.shape)
    for measure, slow in (
        (correlation.kendall_tau, slow_tau),
        (correlation.pearson, lambda a, b: float(np.corrcoef(a.ravel(), b.ravel())[0, 1])),
    ):
        estimate = measure(x, y)
        assert estimate.value == pytest.approx(slow(x, y))
        resamples = [np.repeat(np.arange(14), counts) for part in draw_counts(14) for counts in part]
        drawn = [slow(x[indices], y[indices]) for indices in resamples]
        assert estimate.interval == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=1e-9)


def test_resamples_in_which_one_does_not_vary_do_not_count() -> None:
    """What rounding left of a score that all but one utterance share pulled the interval to 0."""
    x, y = np.random.default_rng(0).random((30, 1)), np.full((30, 1), 0.1)
    y[3] = 1.1
    estimate = correlation.pearson(x, y)
    resamples = [np.repeat(np.arange(30), counts) for part in draw_counts(30) for counts in part]
    drawn = [np.corrcoef(x[rows, 0], y[rows, 0])[0, 1] for rows in resamples if 3 in rows]
    assert estimate is not None and estimate.interval == pytest.approx(np.percentile(drawn, (2.5, 97.5)))


def test_what_does_not_vary_has_no_correlation_and_few_utterances_no_interval() -> None:
    x = np.arange(12.0)[:, None]
    for measure in (correlation.kendall_tau, correlation.pearson):
        assert measure(x, np.ones_like(x)) is None
        few = measure(x[:4], x[:4])
        assert few.value == pytest.approx(1)
        assert few.interval is None
