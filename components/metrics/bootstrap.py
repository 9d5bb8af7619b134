"""Bootstrap intervals over utterances: how much the score would move with other utterances of this kind.

Both protocols draw ``RESAMPLES`` times as many utterances as there are, with replacement, from numpy's
default generator seeded with ``SEED`` (sacreBLEU's numbers, so the intervals are comparable):
:func:`percentile_interval` for ratios such as WER, and :func:`sacrebleu_interval` for sacreBLEU's metrics
(Koehn 2004; Post 2018), where the interval is the resamples' mean ± half the width of their middle 95%.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

RESAMPLES = 1000
SEED = 12345

Interval = tuple[float, float]


def resamples(n: int) -> Iterator[np.ndarray[Any, Any]]:
    """Indices (n,) of each resample. One row at a time: memory stays flat on large data sets."""
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES):
        yield rng.choice(n, size=n, replace=True)


def percentile_interval(numerators: Sequence[float], denominators: Sequence[int]) -> Interval:
    """95% percentile interval of ``sum(numerators) / sum(denominators)``, both per utterance.

    Denominators are positive, so every resample has a ratio.
    """
    top, bottom = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    ratios = [float(top[row].sum() / bottom[row].sum()) for row in resamples(len(top))]
    low, high = np.percentile(ratios, (2.5, 97.5))
    return containing((float(low), float(high)), float(top.sum() / bottom.sum()))


def sacrebleu_interval(
    statistics_: Sequence[Sequence[float]], score: Callable[[list[float]], float], value: float
) -> Interval:
    """sacreBLEU's interval from per-sentence sufficient statistics (n, k) and the score of their sum."""
    table = np.asarray(statistics_, np.float64)
    scores = sorted(score(table[row].sum(0).tolist()) for row in resamples(len(table)))
    cut = RESAMPLES // 40
    half = 0.5 * (scores[-cut - 1] - scores[cut])
    mean = statistics.mean(scores)
    return containing((max(mean - half, 0.0), mean + half), value)


def containing(interval: Interval, value: float) -> Interval:
    """The interval, widened to hold the value: with a handful of utterances a bootstrap can miss it."""
    return min(interval[0], value), max(interval[1], value)
