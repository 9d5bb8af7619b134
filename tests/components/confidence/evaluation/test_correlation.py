from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr

from components.confidence.evaluation import correlation
from components.metrics.statistics import correlation as of_pairs


def test_correlations_are_those_of_scipy_however_many_utterances(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(20, size=150) / 20
    y = x + rng.normal(size=150)
    few = correlation.correlate(x, y)
    monkeypatch.setattr(of_pairs, "MAX_UTTERANCES", 100)
    many = correlation.correlate(x, y)
    for measured in (few, many):
        assert measured["kendall"].value == pytest.approx(kendalltau(x, y).statistic)
        assert measured["pearson"].value == pytest.approx(pearsonr(x, y).statistic)
    assert few["kendall"].interval == pytest.approx(many["kendall"].interval, abs=0.02)


def test_what_does_not_vary_has_none() -> None:
    assert correlation.correlate(np.full(20, 0.5), np.arange(20.0)) == {}
