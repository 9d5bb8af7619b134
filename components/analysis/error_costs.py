"""What each kind of transcription error costs the translation, and how the two losses correlate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components.metrics.bootstrap import (
    MIN_UTTERANCES,
    Estimate,
    FloatArray,
    bootstrap_interval,
    draw_resamples,
)
from components.metrics.corpus_statistics import CorpusStatistics
from components.metrics.significance import paired_test
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
    """Cost of each kind of error, the most expensive first.

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
    return tuple(sorted(costs, key=lambda cost: -cost.gain.value))


class Correlation(Record):
    """Pearson's and Spearman's correlation of two numbers per utterance."""

    pearson: Estimate | None
    spearman: Estimate | None
    n: int


def measure_correlation(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Both coefficients with intervals; None where one of the two does not vary, or of too few utterances."""
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return Correlation(pearson=_estimate(_pearson, x, y), spearman=_estimate(_spearman, x, y), n=len(first))


def _estimate(
    coefficient: Callable[[FloatArray, FloatArray], float | None], x: FloatArray, y: FloatArray
) -> Estimate | None:
    value = coefficient(x, y) if len(x) >= MIN_UTTERANCES else None
    if value is None:
        return None
    resampled = [coefficient(x[rows], y[rows]) for rows in draw_resamples(len(x))]
    varying = [number for number in resampled if number is not None]
    return Estimate(value=value, interval=bootstrap_interval(varying, value))


def _spearman(x: FloatArray, y: FloatArray) -> float | None:
    return _pearson(_ranks(x), _ranks(y))


def _pearson(x: FloatArray, y: FloatArray) -> float | None:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    a, b = x - x.mean(), y - y.mean()
    return float(np.clip((a @ b) / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def _ranks(values: FloatArray) -> FloatArray:
    """Ranks from 0; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts + 1) / 2)[inverse], np.float64)
