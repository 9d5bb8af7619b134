"""Correlation of a confidence with sentence scores: Pearson's r and Kendall's tau-b, with intervals."""

from __future__ import annotations

from itertools import chain

import numpy as np

from components.confidence.evaluation.trials import Resampled
from components.metrics.statistics import correlation
from components.metrics.statistics.bootstrap import Estimate, FloatArray, draw_counts

RESAMPLES = 1000
"""Of Kendall's tau where its matrix of pairs would be too large: each is ranked anew."""


def correlate(confidence: FloatArray, score: FloatArray) -> dict[str, Estimate]:
    """Return ``kendall`` and ``pearson`` of two numbers (n) an utterance; none where one does not vary."""
    x, y = confidence[:, None], score[:, None]
    both = {"kendall": _kendall(confidence, score), "pearson": correlation.pearson(x, y)}
    return {name: estimate for name, estimate in both.items() if estimate is not None}


def _kendall(x: FloatArray, y: FloatArray) -> Estimate | None:
    if len(x) <= correlation.MAX_UTTERANCES:
        return correlation.kendall_tau(x[:, None], y[:, None])
    from scipy.stats import kendalltau  # noqa: PLC0415 - half a second, of large data only

    draws = chain.from_iterable(draw_counts(len(x), RESAMPLES))
    drawn = (np.repeat(np.arange(len(x)), counts) for counts in draws)
    values = np.array([kendalltau(x[rows], y[rows]).statistic for rows in drawn])
    return Resampled(float(kendalltau(x, y).statistic), values).estimate()
