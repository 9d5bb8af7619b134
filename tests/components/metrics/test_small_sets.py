"""The default test has its size on the 10 to 50 utterances that people bring, and says which test it was."""

from __future__ import annotations

import numpy as np
import pytest

from components.metrics.statistics import null_distributions
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.null_distributions import choose_test
from components.metrics.statistics.significance import Difference, paired_test
from tests.components.metrics.corpora import table_of

N_NULLS = 2000


def mean_score(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., 0] / sums[..., 1])


def compare(system: FloatArray, baseline: FloatArray) -> Difference:
    """Two systems by the sentence scores (n,) of their outputs, as they are compared by default."""
    first, second = (table_of(np.stack([x, np.ones(len(x))], -1), mean_score) for x in (system, baseline))
    return paired_test(first, second, ("a", "b"))


def test_five_percent_of_true_nulls_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bootstrap rejected 9.2% of ten utterances. 1.5 points are three standard errors of the size."""
    monkeypatch.setattr(null_distributions, "TRIALS", 1024)  # of the 1,024 exchanges that there are
    nulls = np.random.default_rng(5).standard_t(3, (N_NULLS, 2, 10))
    p = np.array([compare(*null).p for null in nulls])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_the_test_is_said() -> None:
    for n, test, signed in ((49, "randomization", "paired-ar"), (50, "bootstrap", "paired-bs")):
        assert choose_test("auto", n) == test
        assert choose_test("bootstrap", n) == "bootstrap"
        one = compare(np.arange(n) % 3.0, np.arange(n) % 2.0)
        assert one.test == test
        assert f"|{signed}:10000|" in one.signature
