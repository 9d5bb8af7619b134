"""The bound on bad outputs that stay holds on data that were not used, as often as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator
from numpy.typing import NDArray

from components.routing.cost_quality import find_cuts
from components.routing.guarantee import (
    KEPT_SHARES,
    bound_share_of_all,
    bound_share_of_kept,
    fewest_utterances,
)

RISK, CONFIDENCE = 0.1, 0.9
BOUNDS = {"all": bound_share_of_all, "kept": bound_share_of_kept}


def draw(
    rng: Generator, n: int, levels: int | None, slope: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Doubts (rounded to so many levels) and bad outputs; ``slope`` 0 says that doubt tells nothing."""
    doubts = rng.random(n)
    bad = rng.random(n) < 0.02 + slope * doubts + (0.2 if slope == 0 else 0)
    return (doubts if levels is None else np.floor(doubts * levels)), bad


def threshold(doubts: NDArray[np.float64], size: int | None) -> float:
    """The least doubt that escalates."""
    if size is None or size == len(doubts):
        return -math.inf
    return math.inf if size == 0 else float(np.sort(doubts)[::-1][size - 1])


@pytest.mark.parametrize("among", BOUNDS)
@pytest.mark.parametrize(("n", "levels"), [(60, None), (60, 5), (400, None), (400, 3)])
@pytest.mark.parametrize("slope", [0.4, 0.0])
def test_it_holds_as_often_as_it_says(among: str, n: int, levels: int | None, slope: float) -> None:
    rng = np.random.default_rng(7)
    population = draw(rng, 50_000, levels, slope)
    splits, broken, useful = 200, 0, 0
    for _ in range(splits):
        doubts, bad = draw(rng, n, levels, slope)
        limit = threshold(doubts, BOUNDS[among](find_cuts(doubts), bad, RISK, CONFIDENCE))
        stays = population[0] < limit
        share = (stays & population[1]).sum() / (len(stays) if among == "all" else max(stays.sum(), 1))
        broken += share > RISK
        useful += stays.mean() > 0.05
    # 99.9% of 200 splits with a true rate of 0.1 are below this.
    assert broken <= splits * 0.1 + 3.1 * math.sqrt(splits * 0.1 * 0.9)
    if slope and n == 400 and among == "all":
        assert useful > 0.9 * splits  # it does not hold by escalating everything


def test_among_those_that_stay_it_keeps_what_it_can_show() -> None:
    rng = np.random.default_rng(5)
    doubts, bad = draw(rng, 3000, None, 0.4)  # P(bad | stays) is 0.1 where 40% stay
    size = bound_share_of_kept(find_cuts(doubts), bad, RISK, CONFIDENCE)
    assert size is not None and 0.6 <= size / 3000 <= 0.8
    assert bound_share_of_all(find_cuts(doubts), bad, RISK, CONFIDENCE) < size


def test_against_a_plain_loop_over_thresholds() -> None:
    from scipy.stats import binomtest

    rng = np.random.default_rng(3)
    for levels in (None, 4):
        doubts, bad = draw(rng, 80, levels, 0.5)
        allowed = None
        for value in sorted(
            set(doubts.tolist())
        ):  # the least doubtful first: escalate what is there or beyond
            stays = doubts < value
            if binomtest(int((stays & bad).sum()), len(bad), RISK, "less").pvalue > 1 - CONFIDENCE:
                break
            allowed = int((~stays).sum())
        else:
            if binomtest(int(bad.sum()), len(bad), RISK, "less").pvalue <= 1 - CONFIDENCE:
                allowed = 0
        assert bound_share_of_all(find_cuts(doubts), bad, RISK, CONFIDENCE) == allowed


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=120),
    st.floats(0.02, 0.5),
    st.sampled_from(sorted(BOUNDS)),
)
def test_what_stays_is_below_the_risk_on_dev_too(
    pairs: list[tuple[int, bool]], risk: float, among: str
) -> None:
    doubts = np.asarray([float(doubt) for doubt, _ in pairs])
    bad = np.asarray([wrong for _, wrong in pairs])
    cuts = find_cuts(doubts)
    size = BOUNDS[among](cuts, bad, risk, 0.9)
    if size is None:
        return
    assert size in cuts.sizes.tolist()
    stays = doubts < threshold(doubts, size)
    n = len(pairs) if among == "all" else max(int(stays.sum()), 1)
    assert (bad & stays).sum() / n <= risk
    fewer = BOUNDS[among](cuts, bad & (doubts > 3), risk, 0.9)  # fewer bad outputs: no more escalate
    assert fewer is not None and fewer <= size


def test_of_few_utterances_nothing_can_be_shown() -> None:
    need = fewest_utterances(0.1, 0.95)
    assert need == 29
    for n, expected in ((need - 1, None), (need, 0)):
        cuts = find_cuts(np.arange(float(n)))
        assert bound_share_of_all(cuts, np.zeros(n, bool), 0.1, 0.95) == expected
    need = fewest_utterances(0.1, 0.95, KEPT_SHARES)
    for n, expected in ((need - 1, None), (need, 0)):
        cuts = find_cuts(np.arange(float(n)))
        assert bound_share_of_kept(cuts, np.zeros(n, bool), 0.1, 0.95) == expected
