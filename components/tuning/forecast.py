"""What a try promises for data that it has not seen, and whether they kept that promise.

The gain over the pipeline as written on the search data forecasts the gain on others that are drawn alike.
Its prediction interval has the variance of both: with a standard error s on n utterances it is
gain +- t(n - 1) s sqrt(1 + n / m) for m others (Student's t; s is that of paired bootstrap resamples, times
sqrt(n / (n - 1))). Of 30 utterances such intervals hold in 9 of 10 cases rather than in 19 of 20. The best of
several tries is chosen for being best, so its forecast is optimistic; the measurement on the others is not.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from components.metrics.statistics.bootstrap import Estimate
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.paired_gain import paired_gain
from components.records import Record

CONFIDENCE = 0.95
"""Of every interval."""
Verdict = Literal["held", "better", "worse", "not tested"]


class GainForecast(Record):
    """What is known of the gain of a try over the pipeline as written; positive where the try is better.

    Attributes:
        gain: on the search data, in points of the first objective, with its bootstrap interval; None where it
            was not tried.
        low, high: prediction interval of the gain on the other data; None where there are none, or the search
            data are too few or have no change to tell how much gains vary.
        bound: what it can gain at most; None where nobody knows.
        seconds: of computing what it changes, for all utterances: as past stages say, and once it was tried,
            as that took; None where neither is known.
    """

    gain: Estimate | None = None
    low: float | None = None
    high: float | None = None
    bound: Estimate | None = None
    seconds: float | None = None


def forecast_gain(changed: CorpusStatistics, written: CorpusStatistics, n_others: int) -> GainForecast:
    """Forecast the gain on ``n_others`` further utterances from that on the search data.

    Args:
        changed: statistics of the try on the search data.
        written: those of the pipeline as written.
        n_others: how many utterances are scored besides.
    """
    from scipy.stats import t as student  # noqa: PLC0415 - half a second, in every flow

    gain, resampled = paired_gain(changed, written)
    error = float(np.std(resampled, ddof=1)) if resampled.size else math.nan
    if n_others < 1 or not error > 0:
        return GainForecast(gain=gain)
    n = len(changed.ids)
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, max(1, n - 1)))
    margin = quantile * error * math.sqrt(n / max(1, n - 1) * (1 + n / n_others))
    return GainForecast(gain=gain, low=gain.value - margin, high=gain.value + margin)


def judge(forecast: GainForecast | None, gain: float) -> Verdict:
    """Return whether a gain that was measured later is in the interval that was forecast."""
    if forecast is None or forecast.low is None or forecast.high is None:
        return "not tested"
    if gain < forecast.low:
        return "worse"
    return "better" if gain > forecast.high else "held"
