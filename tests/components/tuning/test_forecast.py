"""Forecasts of gains from a probe: their coverage, and the verdicts."""

from __future__ import annotations

import math
import random

import pytest

from components.errors import DataError
from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.corpus_statistics import CorpusStatistics, text_statistics
from components.metrics.statistics.paired_gain import paired_gain
from components.tuning.forecast import GainForecast, forecast_gain, judge

WORDS = ["ein", "Hund", "rennt", "über", "das", "Gras", "und", "bellt", "eine", "Katze", "an"]


def corpus(n: int, seed: int, metric: str = "chrf") -> tuple[CorpusStatistics, CorpusStatistics]:
    """The statistics of a system's outputs, and those of a better one: fewer words are lost."""
    rng = random.Random(seed)
    references: dict[str, list[str]] = {}
    worse: dict[str, str] = {}
    better: dict[str, str] = {}
    for number in range(n):
        words = [rng.choice(WORDS) for _ in range(12)]
        key = f"u{number}"
        references[key] = [" ".join(words)]
        worse[key] = " ".join(word for word in words if rng.random() > 0.4)
        better[key] = " ".join(word for word in words if rng.random() > 0.37)
    tables = [
        text_statistics(references, outputs, language="de", n_total=n, names=[metric])[metric]
        for outputs in (worse, better)
    ]
    return tables[0], tables[1]


def test_the_rest_falls_into_the_interval_as_often_as_it_says() -> None:
    verdicts = []
    for seed in range(24):
        worse, better = corpus(90, 1000 + seed)
        probe, rest = worse.ids[:30], worse.ids[30:]
        forecast = forecast_gain(better.subset(probe), worse, n_others=60)
        gain, _ = paired_gain(better.subset(rest), worse)
        verdicts.append(judge(forecast, gain.value))
    assert verdicts.count("held") >= 20
    assert forecast.high - forecast.low < 25  # not for being wide


def test_the_interval_is_that_of_the_difference_of_two_means() -> None:
    worse, better = corpus(40, 1)
    _, resampled = paired_gain(better, worse)
    forecast = forecast_gain(better, worse, n_others=10)
    assert forecast.high - forecast.gain.value == pytest.approx(
        2.0227 * resampled.std(ddof=1) * math.sqrt(40 / 39 * (1 + 40 / 10)), rel=1e-4
    )


@pytest.mark.parametrize(("n", "n_others", "changes"), [(40, 0, True), (9, 30, True), (40, 30, False)])
def test_nothing_is_forecast_of_none_from_too_few_and_without_a_change(
    n: int, n_others: int, changes: bool
) -> None:
    worse, better = corpus(n, 5)
    forecast = forecast_gain(better if changes else worse, worse, n_others)
    assert (forecast.low, forecast.high) == (None, None)
    assert judge(forecast, 1.0) == "not tested"


def test_only_what_both_have_is_compared() -> None:
    worse, better = corpus(12, 3, "bleu")
    shared = ("u1", "u2", "u4")
    gain, _ = paired_gain(better.subset(("u0", *shared)), worse.subset((*shared, "u5")))
    assert gain == paired_gain(better.subset(shared), worse.subset(shared))[0]
    with pytest.raises(DataError, match="same utterances"):
        paired_gain(better.subset(["u1"]), worse.subset(["u2"]))


@pytest.mark.parametrize(("gain", "verdict"), [(0.0, "held"), (-1.1, "worse"), (1.1, "better")])
def test_verdicts(gain: float, verdict: str) -> None:
    forecast = GainForecast(gain=Estimate(value=0.0, interval=None), low=-1.0, high=1.0)
    assert judge(forecast, gain) == verdict
    assert judge(None, gain) == "not tested"
