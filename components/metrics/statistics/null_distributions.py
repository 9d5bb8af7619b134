"""The null distribution of a difference of two systems, and the p-values that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.metrics.choices import Test, TestChoice
from components.metrics.statistics.bootstrap import MIN_UTTERANCES, SEED, FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics

TRIALS = 10_000
"""Exchanges of a randomization test."""
MIN_FOR_BOOTSTRAP = 50
"""Utterances of which the bootstrap rejects 5 to 6% of true nulls at 5%; of 10 it rejects 9%."""


def choose_test(test: TestChoice, n: int) -> Test:
    """Return ``test``, or for ``auto`` that which has its size with ``n`` utterances."""
    if test != "auto":
        return test
    return "bootstrap" if n >= MIN_FOR_BOOTSTRAP else "randomization"


def two_sided_p(null: FloatArray, observed: float) -> float:
    """Return two-sided p of a difference under ``null``: differences (trials,) of systems that are equal.

    Equal ones count (within rounding): the identity is one of the exchanges, and p is never too small.
    """
    extreme = np.abs(null) >= abs(observed) * (1 - 1e-9)
    return (int(extreme.sum()) + 1) / (len(null) + 1)


def compute_p_values(
    system: CorpusStatistics, baseline: CorpusStatistics, test: Test, observed: float, resampled: FloatArray
) -> tuple[float | None, float | None]:
    """Return the two-sided p and sacreBLEU's p of the ``observed`` difference; None of too few utterances."""
    if len(system.ids) < MIN_UTTERANCES:
        return None, None
    if test == "bootstrap":
        sizes = np.abs(resampled)
        null, sacrebleu_null = resampled - observed, sizes - sizes.mean()
    else:
        null = sacrebleu_null = draw_randomized_differences([(system, baseline)])
    above = int((sacrebleu_null > abs(observed)).sum())
    return two_sided_p(null, observed), (above + 1) / (len(null) + 1)


def correct_holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's step-down p-values, in the order given: k-th smallest of m times m - k + 1, monotone.

    What was not tested (None) is no comparison.
    """
    order = sorted((p, position) for position, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, position) in enumerate(order):
        highest = corrected[position] = max(highest, min(1.0, (len(order) - rank) * p))
    return corrected


def draw_randomized_differences(
    pairs: Sequence[tuple[CorpusStatistics, CorpusStatistics]], weights: Sequence[float] = (1.0,)
) -> FloatArray:
    """Draw |d| (TRIALS,), in points, of outputs exchanged at random (Riezler and Maxwell 2005).

    Args:
        pairs: system and baseline over the same utterances; of several, all outputs of an utterance are
            exchanged together.
        weights: d is the sum of the differences of the pairs with these weights.
    """
    sizes = []
    for is_exchanged in _draw_exchanges(len(pairs[0][0].ids)):
        difference = np.zeros(len(is_exchanged))
        for weight, (system, baseline) in zip(weights, pairs, strict=True):
            mixed = is_exchanged @ baseline.rows + ~is_exchanged @ system.rows
            rest = baseline.rows.sum(0) + system.rows.sum(0) - mixed
            difference += weight * (system.metric.score(mixed) - system.metric.score(rest))
        sizes.append(np.abs(difference))
    return np.concatenate(sizes)


def _draw_exchanges(n: int) -> Iterator[NDArray[np.bool_]]:
    """Which utterances the two systems exchange, some trials (m, n) at a time: memory stays flat.

    Numpy draws booleans 32 at a time, so pieces of a multiple of 32 rows are the numbers of one draw.
    """
    rng = np.random.default_rng(SEED)
    for start in range(0, TRIALS, 512):
        yield rng.integers(2, size=(min(512, TRIALS - start), n), dtype=bool)
