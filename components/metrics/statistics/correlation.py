"""Correlation of two scores of the same outputs, item by item, with intervals over utterances.

Every output of every system is a point. A resample draws utterances, with all their outputs; what is drawn
twice ties with itself, as it would if the resample were ranked anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.metrics.statistics.bootstrap import (
    Estimate,
    FloatArray,
    bootstrap_interval,
    draw_counts,
    resample_sums,
)

MAX_UTTERANCES = 1000
"""Utterances above which Kendall's tau, which compares all pairs, is not computed."""


def pearson(x: FloatArray, y: FloatArray) -> Estimate | None:
    """Return Pearson's r of points (n, s), utterances by systems; None where one of the two does not vary."""
    x, y = x - x.mean(), y - y.mean()  # small numbers cancel less
    rows = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1).sum(1)
    return _estimate(rows.sum(0), resample_sums(rows), _pearson_of)


def _pearson_of(sums: FloatArray) -> FloatArray:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    of_x, of_y = n * xx - x * x, n * yy - y * y
    varies = (of_x > 1e-12 * n * xx) & (of_y > 1e-12 * n * yy)  # what is equal leaves a rest of rounding
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(varies, (n * xy - x * y) / np.sqrt(of_x * of_y), np.nan)


def kendall_tau(x: FloatArray, y: FloatArray) -> Estimate | None:
    """Return Kendall's tau-b of points (n, s), utterances by systems; None where one does not vary.

    Concordant less discordant pairs over those that are no ties in x, and in y (geometric mean). Pairs of
    two utterances are summed once to a matrix (n, n), so that a resample is a quadratic form of its counts.
    """
    n = len(x)
    signs = [np.zeros((n, n)) for _ in range(3)]
    for first in range(x.shape[1]):
        for second in range(x.shape[1]):
            of_x = np.sign(x[:, first, None] - x[None, :, second])
            of_y = np.sign(y[:, first, None] - y[None, :, second])
            for total, part in zip(signs, (of_x * of_y, np.abs(of_x), np.abs(of_y)), strict=True):
                np.add(total, part, out=total)
    resampled = [_count_pairs(signs, counts.astype(np.float64)) for counts in draw_counts(n)]
    sums = np.concatenate([np.zeros((0, 3)), *resampled])
    return _estimate(_count_pairs(signs, np.ones((1, n)))[0], sums, _tau_of)


def _count_pairs(signs: Sequence[FloatArray], counts: FloatArray) -> FloatArray:
    """Sums (m, 3) of the matrices (n, n) over all pairs of utterances, as often as each is counted (m, n)."""
    return np.stack([np.einsum("bi,bi->b", counts @ total, counts) for total in signs], axis=-1)


def _tau_of(sums: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        tau: FloatArray = sums[..., 0] / np.sqrt(sums[..., 1] * sums[..., 2])
    return tau


def _estimate(
    sums: FloatArray, resampled: FloatArray, score: Callable[[FloatArray], FloatArray]
) -> Estimate | None:
    value = float(score(sums))
    if not np.isfinite(value):
        return None
    scores = score(resampled)
    scores = scores[np.isfinite(scores)]
    return Estimate(value=value, interval=bootstrap_interval(scores, value))
