from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from components.confidence.evaluation.calibration import (
    BINS,
    MIN_IN_BIN,
    divide_by_mass,
    measure_calibration,
    reliability_bins,
)
from components.confidence.evaluation.threshold import GOALS, find_threshold
from components.confidence.evaluation.trials import Trials


def trials(confidence: np.ndarray, right: np.ndarray, per_utterance: int = 10) -> Trials:
    utterance = np.arange(len(right)) // per_utterance
    return Trials(confidence, 1.0 - right, utterance, int(utterance[-1]) + 1)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.31, 0.8, 1.0]), min_size=1, max_size=120))
def test_equal_confidences_are_never_divided_and_order_is_kept(values: list[float]) -> None:
    confidence = np.array(values)
    bins = divide_by_mass(confidence)
    assert set(bins) == set(range(max(bins) + 1))
    assert max(bins) < max(1, min(BINS, len(values) // MIN_IN_BIN))
    for a, b in zip(confidence, bins, strict=True):
        assert ((confidence < a) <= (bins <= b)).all()
        assert ((confidence == a) <= (bins == b)).all()


def test_bins_of_different_confidences_have_equal_mass() -> None:
    bins = divide_by_mass(np.random.default_rng(0).random(1000))
    assert set(np.bincount(bins)) <= {66, 67}
    assert len(np.bincount(bins)) == BINS


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(0.01, 0.99, 300)
    right = (rng.random(300) < p**2).astype(float)
    measured = measure_calibration(trials(p, right))
    assert measured["brier"].value == pytest.approx(brier_score_loss(right, p))
    entropy = log_loss(right, np.full(300, right.mean()))
    assert measured["nce"].value == pytest.approx(1 - log_loss(right, p) / entropy)


def test_error_of_two_bins_by_hand() -> None:
    p = np.array([0.25] * 20 + [0.75] * 20)
    right = np.array([1.0] * 10 + [0.0] * 10 + [1.0] * 19 + [0.0])  # 50% of what is given 25%, 95% of 75%
    measured = measure_calibration(trials(p, right))
    assert measured["ece"].value == pytest.approx(0.5 * 0.25 + 0.5 * 0.2)
    bins = reliability_bins(trials(p, right))
    assert [(each.confidence, each.accuracy, each.n) for each in bins] == [(0.25, 0.5, 20), (0.75, 0.95, 20)]


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_of_a_single_class_there_is_no_normalized_cross_entropy(right: float) -> None:
    measured = measure_calibration(trials(np.full(40, 0.5), np.full(40, right)))
    assert measured["nce"].estimate() is None
    assert measured["ece"].value == measured["brier"].value * 2 == 0.5


def test_one_sure_error_costs_much_but_not_everything() -> None:
    p = np.array([1.0] * 99 + [0.6])
    right = np.array([0.0] + [1.0] * 98 + [0.0])
    assert np.isfinite(measure_calibration(trials(p, right))["nce"].value)


@pytest.mark.parametrize("shift", [0.0, 0.03, 0.1])
def test_intervals_of_the_error_hold_what_it_is(shift: float) -> None:
    """Of 100 data sets in which every confidence is too high by ``shift``: the true error is that."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        p = rng.uniform(0.3, 0.85, 600)
        estimate = measure_calibration(trials(p + shift, (rng.random(600) < p).astype(float), 20))[
            "ece"
        ].estimate()
        held += estimate.interval[0] <= shift <= estimate.interval[1]
    assert held >= 85


@pytest.mark.parametrize("seed", range(6))
def test_the_threshold_is_the_lowest_that_keeps_enough_that_is_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.integers(1, 8, 100) / 8
    right = (rng.random(100) < confidence**0.5).astype(float)
    goal = min(goal for goal in GOALS if goal > right.mean())
    right_by_level = {level: right[confidence >= level] for level in np.unique(confidence)}
    enough = [level for level, of in right_by_level.items() if of.mean() >= goal and len(of) >= MIN_IN_BIN]
    threshold = find_threshold(trials(confidence, right))
    assert (threshold and threshold.confidence) == min(enough, default=None)
    if threshold is not None:
        level = right_by_level[threshold.confidence]
        assert (threshold.goal, threshold.coverage) == (goal, len(level) / 100)
        assert threshold.accuracy == pytest.approx(level.mean())
