from __future__ import annotations

from components.improvement.forecast import GainForecast, Improvement, RemedyResult
from components.improvement.improvement import build_rows, summarize
from components.metrics.statistics.bootstrap import Estimate


def attempt(remedy: str, gain: float, low: float | None = None, high: float | None = None) -> RemedyResult:
    forecast = GainForecast(gain=Estimate(value=gain, interval=None), low=low, high=high, seconds=9.0)
    return RemedyResult(
        remedy=remedy, summary="", mends="translation", bound=None, status="tried", forecast=forecast
    )


def improvement(*attempts: RemedyResult) -> Improvement:
    score = Estimate(value=60.0, interval=None)
    return Improvement(
        metric="chrf", score=score, attempts=attempts, probe=12, n=24, budget=90.0, spent=100.0, signature=""
    )


def test_what_promised_and_was_not_run_is_told_from_what_promised_nothing() -> None:
    better, worse = attempt("wider search", 2.5, -4.5, 9.4), attempt("route", -1.0, -2.0, 0.0)
    assert summarize(improvement(worse, better)) == (
        "chrF2 60.0 as it is; wider search promises most, and no time was left to run it; 100 of 90 seconds"
    )
    assert "nothing that was tried promises a gain; 100" in summarize(improvement(worse))


def test_nothing_stands_where_nothing_is_forecast() -> None:
    (row,) = build_rows(improvement(attempt("refinement", 0.0)))
    assert row["on the probe"] == "+0.0"
    assert "forecast for the others" not in row
