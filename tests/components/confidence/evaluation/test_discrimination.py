from __future__ import annotations

import itertools
import statistics

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from components.confidence.evaluation.discrimination import measure_discrimination, risk_coverage_curve
from components.confidence.evaluation.trials import Trials
from components.metrics.statistics.bootstrap import draw_counts


def trials(confidence: list[float], loss: list[float], per_utterance: int = 1) -> Trials:
    utterance = np.arange(len(loss)) // per_utterance
    return Trials(np.array(confidence), np.array(loss), utterance, int(utterance[-1]) + 1)


def area_by_enumeration(confidence: list[float], loss: list[float]) -> float:
    """Over every order that the confidences allow: the mean over k of the mean loss of the first k."""
    n = len(loss)
    orders = [
        order
        for order in itertools.permutations(range(n))
        if all(confidence[a] >= confidence[b] for a, b in itertools.pairwise(order))
    ]
    return statistics.fmean(
        statistics.fmean(statistics.fmean(loss[i] for i in order[:k]) for k in range(1, n + 1))
        for order in orders
    )


some_trials = st.lists(
    st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), st.booleans()), min_size=2, max_size=40
).filter(lambda rows: 0 < sum(right for _, right in rows) < len(rows))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(some_trials)
def test_areas_are_those_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    confidence, right = [p for p, _ in rows], [r for _, r in rows]
    measured = measure_discrimination(trials(confidence, [1.0 - r for r in right]))
    assert measured["auroc"].value == pytest.approx(roc_auc_score(right, confidence))
    wrong = [not r for r in right]
    assert measured["auprc"].value == pytest.approx(average_precision_score(wrong, [-p for p in confidence]))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from([0.2, 0.5, 0.8]), st.sampled_from([0, 1, 25.0])), min_size=1, max_size=6
    )
)
def test_the_area_under_risk_and_coverage_is_the_mean_over_all_orders(
    rows: list[tuple[float, float]],
) -> None:
    confidence, loss = [p for p, _ in rows], [float(each) for _, each in rows]
    measured = measure_discrimination(trials(confidence, loss))
    expected, best = area_by_enumeration(confidence, loss), area_by_enumeration([-x for x in loss], loss)
    assert measured["aurc"].value == pytest.approx(expected)
    assert measured["eaurc"].value == pytest.approx(expected - best, abs=1e-9)


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_resample_is_measured_as_if_its_utterances_were_the_data(is_binary: bool) -> None:
    rng = np.random.default_rng(7)
    n, utterances = 60, 15
    loss = rng.integers(2, size=n).astype(float) if is_binary else rng.integers(40, size=n) / 8
    data = Trials(rng.integers(5, size=n) / 5, loss, np.sort(rng.integers(utterances, size=n)), utterances)
    measured = measure_discrimination(data)
    counts = next(iter(draw_counts(utterances)))
    for draw in range(20):
        rows = np.repeat(np.arange(n), counts[draw][data.utterance])
        again = Trials(data.confidence[rows], data.loss[rows], np.zeros(len(rows), np.intp), 1)
        for name, resampled in measure_discrimination(again).items():
            assert measured[name].draws[draw] == pytest.approx(resampled.value, rel=1e-4, abs=1e-6)


GOLDEN = {
    "perfect": ([0.9, 0.8, 0.2], [0.0, 0.0, 1.0], {"auroc": 1.0, "auprc": 1.0, "eaurc": 0.0}),
    "the wrong way round": ([0.2, 0.8, 0.9], [0.0, 0.0, 1.0], {"auroc": 0.0, "auprc": 1 / 3}),
    "all the same": ([0.5, 0.5, 0.5, 0.5], [0.0, 1.0, 0.0, 1.0], {"auroc": 0.5, "auprc": 0.5, "aurc": 0.5}),
    "all right": ([0.5, 0.9], [0.0, 0.0], {"auroc": None, "auprc": None, "aurc": 0.0, "eaurc": 0.0}),
    "all wrong": ([0.5, 0.9], [1.0, 1.0], {"auroc": None, "auprc": 1.0, "aurc": 1.0, "eaurc": 0.0}),
    "one trial": ([0.5], [1.0], {"auroc": None, "aurc": 1.0}),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    confidence, loss, expected = GOLDEN[name]
    measured = measure_discrimination(trials(confidence, loss))
    for measure, value in expected.items():
        estimate = measured[measure].estimate()
        assert (estimate and estimate.value) == (None if value is None else pytest.approx(value)), measure
        assert estimate is None or estimate.interval is None  # fewer utterances than a bootstrap needs


def test_utterances_without_a_trial_are_drawn_as_well() -> None:
    confidence, loss = np.array([0.9, 0.1] * 10), np.array([0.0, 1.0] * 10)
    utterance = np.repeat(np.arange(10), 2)
    without, with_empty = (Trials(confidence, loss, utterance, n) for n in (10, 12))
    for data in (without, with_empty):
        estimate = measure_discrimination(data)["auroc"].estimate()
        assert estimate.interval == (1.0, 1.0)


def test_the_curve_ends_with_the_mean_loss_and_is_never_below_the_best_order() -> None:
    rng = np.random.default_rng(1)
    data = Trials(rng.integers(50, size=500) / 50, rng.integers(9, size=500) / 3, np.arange(500), 500)
    curve = risk_coverage_curve(data)
    assert len(curve.coverage) == 100
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == curve.best[-1] == pytest.approx(data.loss.mean(), abs=1e-6)
    assert all(risk >= best for risk, best in zip(curve.risk, curve.best, strict=True))
