"""The arithmetic of single experiments beside scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from components.claims.statistics.detection import auc, compare_auc, weighted_auc
from components.claims.statistics.permutation import sign_flip_p


@pytest.mark.parametrize("n", [5, 12, 40])
def test_sign_flips_are_those_of_scipy(n: int) -> None:
    values = np.random.default_rng(n).normal(0.4, 1, n).round(2)
    reference = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=200_000, rng=np.random.default_rng(1)
    )
    assert sign_flip_p(values.tolist()) == pytest.approx(reference.pvalue, abs=1e-9 if n <= 16 else 0.005)


def test_auc_is_the_probability_that_a_bad_case_scores_higher() -> None:
    rng = np.random.default_rng(3)
    scores, is_bad = rng.integers(0, 6, 200).astype(float), (rng.random(200) < 0.3).astype(float)
    bad, good = scores[is_bad == 1], scores[is_bad == 0]
    u = stats.mannwhitneyu(bad, good).statistic
    assert auc(scores, is_bad) == pytest.approx(u / (len(bad) * len(good)))
    counts = rng.integers(0, 4, 200)
    repeated = auc(np.repeat(scores, counts), np.repeat(is_bad, counts))
    assert weighted_auc(scores, is_bad, counts[None].astype(float))[0] == pytest.approx(repeated)


def test_a_signal_that_tells_is_found_and_one_that_does_not_is_not() -> None:
    rng = np.random.default_rng(4)
    is_bad = (rng.random((2, 100)) < 0.2).astype(float)
    telling, noise = is_bad + rng.normal(0, 1, is_bad.shape), rng.normal(0, 1, is_bad.shape)
    good = compare_auc(telling, None, is_bad, "items")
    assert good.interval[0] > 0
    assert good.p < 0.01
    rare = np.zeros((1, 100))
    rare[0, :2] = 1  # a draw may have no bad case
    assert compare_auc(telling[:1], None, rare, "items").detectable > 0
    none = compare_auc(noise, None, is_bad, "items")
    assert none.interval[0] < 0 < none.interval[1]
    assert compare_auc(telling, noise, is_bad, "items").difference == pytest.approx(
        good.difference - none.difference
    )
