"""Whether confidences are what they say: of all that is given 0.8, is 80% right?

- Expected calibration error: ``sum_b n_b / n |accuracy_b - mean confidence_b|`` (Naeini et al. 2015,
  https://doi.org/10.1609/aaai.v29i1.9602) over bins of equal mass (Nguyen and O'Connor 2015,
  https://aclanthology.org/D15-1182). Equal confidences are never divided, so there may be fewer bins.
- Normalized cross-entropy, NIST's measure of word confidences: ``(H(r) - cross-entropy) / H(r)`` with
  ``H(r)`` the entropy of always saying ``r``, the share that is right. 1 is perfect, 0 says no more than
  ``r``, below 0 is worse than ``r`` (Siu and Gish 1999, https://doi.org/10.1006/csla.1999.0134).
- Brier score: mean squared difference of confidence and outcome (Brier 1950).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.confidence.evaluation.trials import Resampled, Trials
from components.metrics.statistics.bootstrap import FloatArray, resample_sums
from components.records import Record

BINS = 15
"""At most so many, as in Guo et al. 2017, https://arxiv.org/abs/1706.04599."""
MIN_IN_BIN = 20
"""Trials of a bin at least: a share of fewer is mostly chance, and chance adds to the error."""
MIN_BINS = 5
"""Bins that a calibration error needs: confidences that are too high and too low cancel within a bin."""
CLIP = 1e-4
"""Probabilities are this far from 0 and 1 in a cross-entropy, where one sure error would be infinite."""

SELECTION_THRESHOLD = 2.5
"""Standard errors from which a bin's gap is selected for the lower end of the error's interval."""


class ReliabilityBin(Record):
    """Trials of similar confidence: their mean confidence, the share that is right, and how many they are."""

    confidence: float
    accuracy: float
    n: int


def divide_by_mass(confidence: FloatArray) -> NDArray[np.intp]:
    """Return the bin of each trial, from 0: as equal in size as equal confidences allow, none empty."""
    bins = max(1, min(BINS, len(confidence) // MIN_IN_BIN))
    edges = np.unique(np.quantile(confidence, np.arange(1, bins) / bins, method="inverted_cdf"))
    numbers = np.searchsorted(edges, confidence, side="left")
    return np.unique(numbers, return_inverse=True)[1].reshape(confidence.shape)


def reliability_bins(trials: Trials) -> tuple[ReliabilityBin, ...]:
    """Return the bins of the calibration error, least sure first."""
    numbers = divide_by_mass(trials.confidence)
    n = np.bincount(numbers)
    confidence = np.bincount(numbers, trials.confidence) / n
    accuracy = 1 - np.bincount(numbers, trials.loss) / n
    return tuple(
        ReliabilityBin(confidence=float(mean), accuracy=float(share), n=int(size))
        for mean, share, size in zip(confidence, accuracy, n, strict=True)
    )


def measure_calibration(trials: Trials) -> dict[str, Resampled]:
    """Measure ``ece``, ``nce`` and ``brier`` of confidences that are probabilities of being right."""
    p, right = trials.confidence, 1 - trials.loss
    clipped = np.clip(p, CLIP, 1 - CLIP)
    surprise = -np.where(right > 0, np.log(clipped), np.log1p(-clipped))
    table = trials.sum_by_utterance(np.ones_like(p), right, surprise, (p - right) ** 2)
    sums = np.vstack([table.sum(0), resample_sums(table)])
    n, n_right, total_surprise, squares = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        share = n_right / n
        entropy = -(share * np.log(share) + (1 - share) * np.log1p(-share))
        scores = {"nce": 1 - total_surprise / n / entropy, "brier": squares / n}
    resampled = {name: Resampled(float(values[0]), values[1:]) for name, values in scores.items()}
    return {"ece": _calibration_error(trials), **resampled}


def _calibration_error(trials: Trials) -> Resampled:
    """In the bins of all trials; draws make an interval whose ends are found in different ways.

    A resample looks less calibrated than these trials, as these look less calibrated than all there could be,
    so a percentile interval would begin above the value. The upper end is the basic bootstrap's, which takes
    that bias away. It takes too little of it from the lower end: what is right on average within a bin errs
    upwards only. So there gaps that are not told from 0 (generalized moment selection, Andrews and Soares
    2010, https://doi.org/10.3982/ECTA7502) count as 0. Of simulated sets of 120 to 1,000 trials, calibrated
    or not, such intervals hold the error of all there could be in 90 to 100%, the basic ones in 33 to 92%.
    """
    numbers = divide_by_mass(trials.confidence)
    gaps = trials.confidence - (1 - trials.loss)
    inside = [numbers == number for number in range(numbers.max() + 1)]
    table = trials.sum_by_utterance(np.ones_like(gaps), *(gaps * each for each in inside))
    sums = np.vstack([table.sum(0), resample_sums(table)])
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[:, 1:] / sums[:, :1]
    means = means[np.isfinite(means).all(1)]
    noise, value = means[1:] - means[0], np.abs(means[0]).sum()
    selected = np.where(np.abs(means[0]) > SELECTION_THRESHOLD * noise.std(0), means[0], 0.0)
    lower, upper = (
        np.sort(value - np.abs(center + noise).sum(1) + np.abs(center).sum())
        for center in (selected, means[0])
    )
    half = len(noise) // 2
    return Resampled(float(value), np.maximum(np.concatenate([lower[:half], upper[half:]]), 0))
