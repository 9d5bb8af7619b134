"""Betting, its intervals and what is decided: against plain loops and by their own promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.metrics.statistics.corpus_statistics import text_statistics
from components.metrics.table import METRICS
from components.monitoring.sequential.betting import (
    SHARES,
    confidence_sequence,
    first_refutation,
    further_needed,
    log_capital,
)
from components.monitoring.sequential.pseudo_values import pseudo_differences
from components.monitoring.sequential.sequential_test import compare_sequentially, decide
from tests.components.metrics.corpora import REFERENCES, SYSTEMS, N

METRIC_NAMES = ("bleu", "chrf", "wer")
TABLES = {
    name: text_statistics(REFERENCES, texts, language="de", n_total=N, names=METRIC_NAMES)
    for name, texts in SYSTEMS.items()
}
RNG = np.random.default_rng(3)


@pytest.mark.parametrize("mean", [0.0, -0.2, 0.3])
def test_the_capital_is_what_a_gambler_has(mean: float) -> None:
    x = RNG.uniform(-1, 1, 30)
    capitals = [1.0] * len(SHARES)
    for n, value in enumerate(x):
        for k, share in enumerate(SHARES):
            capitals[k] *= 1 + share / (1 + max(mean, 0)) * (value - mean)
        assert np.exp(log_capital(x, mean)[n]) == pytest.approx(np.mean(capitals))


def test_a_fair_game_is_refuted_rarely_however_often_one_looks() -> None:
    games = RNG.choice([-0.7, 0.1, 0.5], p=[0.4, 0.3, 0.3], size=(400, 500)) + 0.1
    refuted = sum(first_refutation(game, 0.05) is not None for game in games)
    assert 2 <= refuted <= 20  # 5% of 400


def test_the_interval_holds_the_mean_and_narrows() -> None:
    x = RNG.normal(0.1, 0.2, 4000).clip(-1, 1)
    widths = []
    for n in (50, 400, 4000):
        low, high = confidence_sequence(x[:n], 0.05)
        assert low < 0.1 < high
        assert (log_capital(x[:n], low - 1e-6).max() >= np.log(40)) and low > -1
        widths.append(high - low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_how_many_further_utterances_decide() -> None:
    x = np.tile([0.35, -0.25], 100)
    needed = further_needed(x, 0.025)
    more = np.tile(x, 2 + needed // len(x))
    decided = first_refutation(more, 0.025)
    assert decided is not None and abs(decided - (len(x) + needed)) < 0.25 * decided
    assert further_needed(-np.abs(x), 0.025) is None


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_pseudo_values_turn_with_the_systems_and_sum_to_the_difference(name: str) -> None:
    metric = METRICS[name]
    a, b = (TABLES[system][name].rows for system in ("good", "base"))
    values = pseudo_differences(a, b, metric.score)
    assert pseudo_differences(b, a, metric.score) == pytest.approx(-values)
    exchanged = RNG.random(len(a)) < 0.5
    mixed = [np.where(exchanged[:, None], x, y) for x, y in ((a, b), (b, a))]
    assert np.abs(pseudo_differences(*mixed, metric.score)) == pytest.approx(np.abs(values))
    whole = pseudo_differences(a[:25], b[:25], metric.score)
    difference = metric.score(a[:25].sum(0)) - metric.score(b[:25].sum(0))
    assert whole == pytest.approx(values[:25])  # those that were there stay as they were
    assert whole.mean() == pytest.approx(difference, abs=1e-9 if name == "wer" else 1.0)


@pytest.mark.parametrize(
    ("mean", "spread", "margin", "verdict"),
    [
        (0.1, 0.1, None, "better"),
        (-0.1, 0.1, None, "worse"),
        (0.0, 0.1, None, "undecided"),
        (0.0, 0.02, 0.01, "equivalent"),
        (0.003, 0.06, 0.005, "not worse"),
    ],
)
def test_what_is_decided(mean: float, spread: float, margin: float | None, verdict: str) -> None:
    x = np.tile([mean - spread, mean + spread], 800)
    found, after = decide(x, 0.05, margin)
    assert found == verdict
    assert (after is None) == (verdict == "undecided")
    assert decide(x[:9], 0.05, margin) == ("too few", None)


def test_systems_of_a_corpus() -> None:
    tables = {name: of["bleu"] for name, of in TABLES.items()}
    same = compare_sequentially(tables["base"], tables["base"], ("a", "b"), margin=1.0)
    assert (same.difference, same.p, same.verdict) == (0.0, 1.0, "undecided")
    assert same.interval[0] == pytest.approx(-same.interval[1])
    good = compare_sequentially(tables["good"], tables["base"], ("good", "base"))
    assert good.n == len(REFERENCES)
    assert good.interval[0] < good.mean < good.interval[1]


@pytest.mark.parametrize("name", METRIC_NAMES)
def test_fewer_errors_and_higher_scores_are_better(name: str) -> None:
    good, base = (
        replace(of, ids=tuple(map(str, range(20 * N))), rows=np.tile(of.rows, (20, 1)))
        for of in (TABLES["good"][name], TABLES["base"][name])
    )
    test, turned = (compare_sequentially(*of, ("a", "b")) for of in ((good, base), (base, good)))
    low, high = test.interval
    assert low < test.mean < high and turned.interval == pytest.approx((-high, -low))
    assert (test.verdict, turned.verdict) == ("better", "worse")
    assert (test.mean > 0) == test.higher_is_better
    assert [look.interval for look in test.looks][-1] == pytest.approx(test.interval)
    assert test.signature.endswith("|range:100")
