"""How well a number tells bad outputs from good ones: area under the ROC curve, over resampled items."""

from __future__ import annotations

import numpy as np

from components.claims.verdict import Result
from components.metrics.statistics.bootstrap import SEED, FloatArray
from components.metrics.statistics.null_distributions import two_sided_p

RESAMPLES, _PER_BATCH = 2_000, 500


def weighted_auc(scores: FloatArray, is_bad: FloatArray, weights: FloatArray) -> FloatArray:
    """Return AUC (resamples,): the probability that a bad case scores above a good one, ties counting half.

    Args:
        scores: of cases (n,), higher where worse is expected.
        is_bad: 1 or 0 (n,).
        weights: how often each case was drawn (resamples, n).
    """
    good, bad = np.flatnonzero(is_bad == 0), np.flatnonzero(is_bad)
    good = good[np.argsort(scores[good], kind="stable")]
    n_below, n_up_to = (np.searchsorted(scores[good], scores[bad], side) for side in ("left", "right"))
    counts = np.zeros((len(weights), len(good) + 1))
    np.cumsum(weights[:, good], axis=1, out=counts[:, 1:])
    drawn = weights[:, bad]
    pairs = (drawn * (counts[:, n_below] + counts[:, n_up_to])).sum(1) / 2
    with np.errstate(invalid="ignore"):  # NaN where nothing bad, or nothing good, was drawn
        return np.asarray(pairs / (drawn.sum(1) * counts[:, -1]))


def auc(scores: FloatArray, is_bad: FloatArray) -> float:
    """Return AUC of all cases."""
    return float(weighted_auc(scores, is_bad, np.ones((1, len(scores))))[0])


def compare_auc(scores: FloatArray, baseline: FloatArray | None, is_bad: FloatArray, over: str) -> Result:
    """Return the mean AUC within conditions, less that of another score or less 0.5; a bootstrap over items.

    Pooled over conditions, an AUC would mostly tell which condition a case is of. A condition without a
    bad (or a good) case is left out, and so is a draw that has none.

    Args:
        scores: (conditions, items), higher where worse is expected; an item is drawn in all conditions.
        baseline: the same of the other score; None for chance.
        is_bad: the same, 1 or 0.
        over: what was resampled, in words.
    """
    mixed = (is_bad.min(1) == 0) & (is_bad.max(1) == 1)
    scores, is_bad = scores[mixed], is_bad[mixed]
    others = None if baseline is None else baseline[mixed]
    n = scores.shape[1]

    def mean_auc(values: FloatArray, weights: FloatArray) -> FloatArray:
        own = [weighted_auc(row, bad, weights) for row, bad in zip(values, is_bad, strict=True)]
        return np.asarray(np.mean(own, axis=0))

    def difference(weights: FloatArray) -> FloatArray:
        return mean_auc(scores, weights) - (0.5 if others is None else mean_auc(others, weights))

    rng = np.random.default_rng(SEED)
    observed = float(difference(np.ones((1, n)))[0])
    drawn = [
        difference(rng.multinomial(n, np.full(n, 1 / n), size=_PER_BATCH).astype(np.float64))
        for _ in range(RESAMPLES // _PER_BATCH)
    ]
    resampled = np.concatenate(drawn)
    resampled = resampled[np.isfinite(resampled)]
    low, high = np.percentile(resampled, (2.5, 97.5)).tolist()
    return Result(
        difference=observed,
        interval=(min(low, observed), max(high, observed)),
        p=two_sided_p(resampled - observed, observed),
        detectable=2.8016 * float(resampled.std()),
        over=over,
    )
