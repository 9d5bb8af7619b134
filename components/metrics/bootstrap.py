"""Bootstrap intervals over utterances: how much the score would move with other utterances of this kind.

Both protocols draw ``RESAMPLES`` times as many utterances as there are, with replacement, from numpy's
default generator seeded with ``SEED`` (sacreBLEU's numbers, so the intervals are comparable):
:func:`ratio_interval` for ratios such as WER, and :func:`sacrebleu_interval` for sacreBLEU's metrics
(Koehn 2004; Post 2018), where the interval is the resamples' mean ± half the width of their middle 95%.

Below :data:`MIN_UTTERANCES` utterances nothing is drawn, and there is no interval: one utterance can be drawn
in one way, three in ten, and what they say of others would be a guess that looks like a measurement.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from components.records import Record

RESAMPLES = 1000
SEED = 12345
MIN_UTTERANCES = 10
"""Utterances that a resampling needs."""
_DRAWS_PER_BATCH = 1 << 22
"""Draws held in memory together."""

Interval = tuple[float, float]
FloatArray = NDArray[np.float64]


class Estimate(Record):
    """A number with its 95% bootstrap interval; None where there were too few utterances for one."""

    value: float
    interval: Interval | None


def draw_resamples(n: int) -> Iterator[np.ndarray[Any, Any]]:
    """Indices (n,) of each resample, one at a time: memory stays flat. None below ``MIN_UTTERANCES``."""
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES if n >= MIN_UTTERANCES else 0):
        yield rng.choice(n, size=n, replace=True)


def resample_sums(table: ArrayLike, resamples: int = RESAMPLES) -> FloatArray:
    """Sums (resamples, k) of the rows (n, k) drawn: by one product with how often each row is."""
    rows = np.asarray(table, np.float64)
    n = len(rows)
    rng = np.random.default_rng(SEED)
    batch = max(1, _DRAWS_PER_BATCH // max(n, 1))
    sums = [np.zeros((0, rows.shape[1]))]
    for start in range(0, resamples if n >= MIN_UTTERANCES else 0, batch):
        size = min(batch, resamples - start)
        indices = rng.choice(n, size=(size, n), replace=True) + n * np.arange(size)[:, None]
        counts = np.bincount(indices.ravel(), minlength=size * n).reshape(size, n)
        sums.append(counts.astype(np.float64) @ rows)
    return np.concatenate(sums)


def bootstrap_interval(scores: ArrayLike, value: float) -> Interval | None:
    """The middle 95% of the scores of resamples, widened to hold it; None where nothing was drawn."""
    numbers = np.asarray(scores, np.float64)
    if not numbers.size:
        return None
    low, high = np.percentile(numbers, (2.5, 97.5))
    return widen_to_contain((float(low), float(high)), value)


def ratio_interval(numerators: Sequence[float], denominators: Sequence[int]) -> Interval | None:
    """95% percentile interval of ``sum(numerators) / sum(denominators)``, both per utterance.

    Denominators are positive, so every resample has a ratio.
    """
    sums = resample_sums(np.stack([numerators, denominators], axis=1))
    return bootstrap_interval(sums[:, 0] / sums[:, 1], sum(numerators) / sum(denominators))


def sacrebleu_interval(scores: Sequence[float], value: float) -> Interval | None:
    """sacreBLEU's interval of ``value`` from the scores of the resamples; None where nothing was drawn."""
    if not scores:
        return None
    ordered = sorted(scores)
    cut = RESAMPLES // 40
    half = 0.5 * (ordered[-cut - 1] - ordered[cut])
    mean = statistics.mean(ordered)
    return widen_to_contain((max(mean - half, 0.0), mean + half), value)


def widen_to_contain(interval: Interval, value: float) -> Interval:
    """The interval, widened to hold the value: with a handful of utterances a bootstrap can miss it."""
    return min(interval[0], value), max(interval[1], value)
