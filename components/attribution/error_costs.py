"""What each kind of transcription error costs the translation, and how the two losses correlate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components.metrics.statistics.bootstrap import (
    MIN_UTTERANCES,
    Estimate,
    FloatArray,
    bootstrap_interval,
    draw_counts,
)
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.statistics.significance import paired_test
from components.records import Record


class KindCost(Record):
    """What one kind of error costs: points of the score gained when only these errors are corrected."""

    kind: str
    errors: int
    utterances: int
    gain: Estimate
    per_hundred: float


def measure_kind_costs(
    base: CorpusStatistics, repaired: Mapping[str, CorpusStatistics], counts: Mapping[str, Mapping[str, int]]
) -> tuple[KindCost, ...]:
    """Measure each kind of error's cost, the most frequent first: the largest of many is large by chance.

    Args:
        base: the output as it is.
        repaired: kind -> the output with all errors of that kind corrected.
        counts: utterance id -> kind -> number of errors.
    """
    costs = []
    for kind, statistics in repaired.items():
        numbers = [counts[key][kind] for key in base.ids if counts[key].get(kind)]
        if not numbers:
            continue
        difference = paired_test(statistics, base, (f"without {kind}", "as it is"))
        costs.append(
            KindCost(
                kind=kind,
                errors=sum(numbers),
                utterances=len(numbers),
                gain=Estimate(value=difference.difference, interval=difference.interval),
                per_hundred=100.0 * difference.difference / sum(numbers),
            )
        )
    return tuple(sorted(costs, key=lambda cost: -cost.errors))


class Correlation(Record):
    """Pearson's and Spearman's correlation of two numbers per utterance."""

    pearson: Estimate | None
    spearman: Estimate | None
    n: int


def measure_correlation(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Return both coefficients with intervals; None where one does not vary, or of too few utterances."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return Correlation(pearson=_estimate(_pearson, x, y), spearman=_estimate(_spearman, x, y), n=len(first))


def _estimate(
    coefficient: Callable[[FloatArray, FloatArray, FloatArray], FloatArray], x: FloatArray, y: FloatArray
) -> Estimate | None:
    if len(x) < MIN_UTTERANCES or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    value = float(coefficient(x, y, np.ones((1, len(x))))[0])
    resampled = np.concatenate([coefficient(x, y, counts.astype(float)) for counts in draw_counts(len(x))])
    return Estimate(value=value, interval=bootstrap_interval(resampled[~np.isnan(resampled)], value))


def _spearman(x: FloatArray, y: FloatArray, counts: FloatArray) -> FloatArray:
    """Return each resample ranks its own utterances."""
    return _pearson(_ranks(x, counts), _ranks(y, counts), counts)


def _pearson(x: FloatArray, y: FloatArray, counts: FloatArray) -> FloatArray:
    """Of each resample (m,), from how often (m, n) it has each utterance; NaN where one does not vary."""
    n = counts.sum(1, keepdims=True)
    a = x - (x * counts).sum(1, keepdims=True) / n
    b = y - (y * counts).sum(1, keepdims=True) / n
    covariance, *variances = ((counts * product).sum(1) for product in (a * b, a * a, b * b))
    scale = np.sqrt(variances[0] * variances[1])
    flat = scale <= 1e-12 * n[:, 0] * (np.ptp(x) * np.ptp(y))
    return np.asarray(np.clip(np.where(flat, np.nan, covariance / np.where(flat, 1.0, scale)), -1.0, 1.0))


def _ranks(values: FloatArray, counts: FloatArray) -> FloatArray:
    """Ranks (m, n) from 0 within each resample; equal values share their mean rank."""
    _, inverse = np.unique(values, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    edges = np.searchsorted(inverse[order], np.arange(inverse.max() + 1))
    sizes = np.add.reduceat(counts[:, order], edges, axis=1)
    return np.asarray((np.cumsum(sizes, axis=1) - (sizes + 1) / 2)[:, inverse], np.float64)
