"""Whether confidences tell right from wrong, whatever numbers they are: only their order counts.

- AUROC: the probability that something right is surer than something wrong; 0.5 is chance, equal confidences
  count half.
- AUPRC of errors: average precision of finding what is wrong, least sure first; chance is the error rate.
- Risk-coverage curve: mean loss of the surest k of n, over k / n (Geifman and El-Yaniv 2017,
  https://arxiv.org/abs/1705.08500); AURC, its area, is the mean over all k (Geifman et al. 2019,
  https://arxiv.org/abs/1805.08206).
  E-AURC is AURC less that of the best possible order.

Trials of equal confidence are taken in random order, in expectation. A resample is the same trials with whole
numbers as weights, so all resamples are a few sums over one order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from components.confidence.evaluation.trials import Resampled, Trials
from components.metrics.statistics.bootstrap import FloatArray, draw_counts
from components.records import Record

_WEIGHTS_PER_BATCH = 1 << 18
"""Weights of trials in memory at once: 1 MB, which stays in the cache."""
MAX_POINTS = 100
"""Points of a curve that are kept."""


class RiskCoverage(Record):
    """Mean loss of the surest share of trials (``risk``) by that share, beside the best possible order's."""

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    best: tuple[float, ...]


class _Levels:
    """Trials in groups of equal key, lowest first.

    Args:
        keys: (n); what orders the trials.
        trials: the trials.
    """

    def __init__(self, keys: FloatArray, trials: Trials) -> None:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        self.starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        self.n = len(keys)
        self.loss = trials.loss[order]
        self._utterance = trials.utterance[order]

    def weigh(self, counts: FloatArray) -> _Weighed:
        """Return the levels for counts of utterances (utterances, m)."""
        sizes = counts[self._utterance]
        losses = sizes * self.loss[:, None].astype(counts.dtype)
        if len(self.starts) < self.n:
            sizes, losses = (np.add.reduceat(values, self.starts, axis=0) for values in (sizes, losses))
        return _weigh(sizes, losses)


class _Weighed(NamedTuple):
    """Of every level and resample (levels, m): trials and their loss in it, and in all levels up to it."""

    size: FloatArray
    loss: FloatArray
    total: FloatArray
    lost: FloatArray


def _weigh(size: FloatArray, loss: FloatArray) -> _Weighed:
    return _Weighed(size, loss, np.cumsum(size, axis=0), np.cumsum(loss, axis=0))


def measure_discrimination(trials: Trials) -> dict[str, Resampled]:
    """Return ``aurc`` and ``eaurc``; of outcomes that are right or wrong ``auroc`` and ``auprc`` as well."""
    surest, best = _Levels(-trials.confidence, trials), _Levels(trials.loss, trials)
    rows = np.concatenate(
        [_measure(counts, surest, best, is_binary=trials.is_binary) for counts in _counts(trials)]
    )
    names = ["aurc", "eaurc", *(["auroc", "auprc"] if trials.is_binary else [])]
    return {name: Resampled(float(rows[0, n]), rows[1:, n]) for n, name in enumerate(names)}


def _counts(trials: Trials) -> Iterator[FloatArray]:
    """Yield how often each utterance counts (utterances, m): once, then in the resamples."""
    yield np.ones((trials.n_utterances, 1))
    short = trials.is_binary and len(trials.loss) < 1 << 20  # sums of whole numbers are exact in 32 bits
    batch = max(1, _WEIGHTS_PER_BATCH // len(trials.loss))
    for counts in draw_counts(trials.n_utterances):
        for start in range(0, len(counts), batch):
            part = counts[start : start + batch].T
            yield np.ascontiguousarray(part, np.float32 if short else np.float64)


def _measure(counts: FloatArray, surest: _Levels, best: _Levels, *, is_binary: bool) -> FloatArray:
    """Return the measures (m, k) for counts of utterances (utterances, m)."""
    levels = surest.weigh(counts)
    area = _area(levels)
    if not is_binary:
        return np.stack([area, area - _area(best.weigh(counts))], axis=1)
    wrong = levels.lost[-1]
    nothing = np.zeros_like(wrong)
    perfect = _weigh(np.stack([levels.total[-1] - wrong, wrong]), np.stack([nothing, wrong]))
    return np.stack([area, area - _area(perfect), _roc_area(levels), _average_precision(levels)], axis=1)


def _area(levels: _Weighed) -> FloatArray:
    """Return the mean over k of the mean loss of the first k, levels in random order within.

    With K trials and loss L before a level of n trials of mean loss m, the first K + j have mean loss
    (L + j m) / (K + j); over j that sums to n m + (L - K m) (H(K + n) - H(K)), H the harmonic numbers.
    """
    size, loss, total, lost = levels
    harmonic = np.r_[0.0, np.cumsum(1 / np.arange(1, total[-1].max() + 1))].astype(size.dtype)
    upto = harmonic[total.astype(np.intp)]
    steps = np.concatenate([upto[:1], upto[1:] - upto[:-1]])
    before = (lost - loss) - (total - size) * (loss / np.maximum(size, 1))
    sums = (loss + before * steps).sum(0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        area: FloatArray = sums / total[-1]
    return area


def _roc_area(levels: _Weighed) -> FloatArray:
    """Pairs of right and wrong in which the right one is surer, and half of those that are equal, of all."""
    right = levels.size - levels.loss
    surer = (levels.total - levels.lost) - right / 2
    pairs = (levels.loss * surer).sum(0, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        area: FloatArray = pairs / right.sum(0) / levels.lost[-1]
    return area


def _average_precision(levels: _Weighed) -> FloatArray:
    """Return the mean over the errors of the share of errors among all that are as doubtful."""
    size, loss, total, lost = levels
    doubtful = total[-1] - (total - size)
    wrong = lost[-1] - (lost - loss)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision: FloatArray = (loss * wrong / np.maximum(doubtful, 1)).sum(0, dtype=np.float64) / lost[-1]
    return precision


def risk_coverage_curve(trials: Trials) -> RiskCoverage:
    """Return the curve at up to :data:`MAX_POINTS` coverages, the last of them 1."""
    n = len(trials.loss)
    k = np.unique(np.linspace(1, n, MAX_POINTS).round().astype(np.intp))
    curves = [_risks(_Levels(keys, trials))[k - 1] for keys in (-trials.confidence, trials.loss)]
    coverage, risk, best = (tuple(np.round(values, 6).tolist()) for values in (k / n, *curves))
    return RiskCoverage(coverage=coverage, risk=risk, best=best)


def _risks(levels: _Levels) -> FloatArray:
    """Mean loss (n) of the first k, for every k; within a level each counts as the level's mean."""
    sizes = np.diff(np.r_[levels.starts, levels.n])
    means = np.add.reduceat(levels.loss, levels.starts) / sizes
    return np.cumsum(np.repeat(means, sizes)) / np.arange(1, levels.n + 1)
