"""Forecasts of gains from a probe: their coverage, and the verdicts."""

from __future__ import annotations

import math
import random

import pytest

from components.improvement.forecast import (
    GainForecast,
    choose,
    estimate_gain,
    forecast_gain,
    judge,
    measure_outputs,
)
from components.metrics.statistics.bootstrap import Estimate
from components.records import Utterance

WORDS = ["ein", "Hund", "rennt", "über", "das", "Gras", "und", "bellt", "eine", "Katze", "an"]


def corpus(n: int, seed: int) -> tuple[list[Utterance], dict[str, str], dict[str, str]]:
    """Utterances, the outputs of a system, and better ones of another: fewer words are lost."""
    rng = random.Random(seed)
    utterances, worse, better = [], {}, {}
    for number in range(n):
        words = [rng.choice(WORDS) for _ in range(12)]
        key = f"u{number}"
        utterances.append(
            Utterance(
                id=key, source_language="en", target_language="de", text="x", references=(" ".join(words),)
            )
        )
        worse[key] = " ".join(word for word in words if rng.random() > 0.4)
        better[key] = " ".join(word for word in words if rng.random() > 0.37)
    return utterances, worse, better


def test_the_rest_falls_into_the_interval_as_often_as_it_says() -> None:
    verdicts = []
    for seed in range(24):
        utterances, worse, better = corpus(90, 1000 + seed)
        probe = {u.id for u in utterances[:30]}
        measured = measure_outputs(utterances, {"": worse, "b": better}, "chrf", "de", probe)
        forecast = forecast_gain(measured.on_probe(""), measured.on_probe("b"), others=60, seconds=1.0)
        gain, _ = estimate_gain(measured.elsewhere(""), measured.elsewhere("b"))
        verdicts.append(judge(forecast, gain))
    assert verdicts.count("held") >= 20
    assert forecast.high - forecast.low < 25  # not for being wide


def test_the_interval_is_that_of_the_difference_of_two_means() -> None:
    utterances, worse, better = corpus(40, 1)
    measured = measure_outputs(utterances, {"": worse, "b": better}, "chrf", "de", {u.id for u in utterances})
    base, changed = measured.on_probe(""), measured.on_probe("b")
    _, error = estimate_gain(base, changed)
    forecast = forecast_gain(base, changed, others=10, seconds=0.0)
    assert forecast.high - forecast.gain.value == pytest.approx(
        2.0227 * error * math.sqrt(40 / 39 * (1 + 40 / 10)), rel=1e-4
    )
    assert measured.elsewhere("").ids == ()


@pytest.mark.parametrize(("n", "others", "remedy"), [(40, 0, "b"), (9, 30, "b"), (40, 30, "same")])
def test_nothing_is_forecast_of_none_from_too_few_and_without_a_change(
    n: int, others: int, remedy: str
) -> None:
    utterances, worse, better = corpus(n, 5)
    outputs = {"": worse, "b": better, "same": worse}
    measured = measure_outputs(utterances, outputs, "chrf", "de", {u.id for u in utterances})
    forecast = forecast_gain(measured.on_probe(""), measured.on_probe(remedy), others=others, seconds=0.0)
    assert (forecast.low, forecast.high) == (None, None)
    assert judge(forecast, Estimate(value=1.0, interval=None)) == "not tested"


def test_only_what_all_systems_have_is_compared() -> None:
    utterances, worse, better = corpus(12, 3)
    del better["u3"]
    probe = {"u1", "u2", "u3"}
    measured = measure_outputs(utterances, {"": worse, "b": better}, "bleu", "de", probe)
    assert measured.on_probe("").ids == measured.on_probe("b").ids == ("u1", "u2")
    assert len(measured.elsewhere("").ids) == 9


def forecast_of(gain: float, seconds: float) -> GainForecast:
    return GainForecast(
        gain=Estimate(value=gain, interval=None), low=gain - 1, high=gain + 1, seconds=seconds
    )


def test_the_largest_gain_that_there_is_time_for_is_chosen() -> None:
    forecasts = {"slow": forecast_of(3, 100), "quick": forecast_of(1, 5), "harm": forecast_of(-2, 1)}
    assert choose(forecasts, 200) == "slow"
    assert choose(forecasts, 50) == "quick"
    assert choose(forecasts, 2) is None


@pytest.mark.parametrize(("gain", "verdict"), [(0.0, "held"), (-1.1, "worse"), (1.1, "better")])
def test_verdicts(gain: float, verdict: str) -> None:
    assert judge(forecast_of(0, 1), Estimate(value=gain, interval=None)) == verdict
    assert judge(forecast_of(0, 1), None) == "not tested"
