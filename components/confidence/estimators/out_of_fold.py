"""How good estimates of held-out examples are, in the numbers that a fitted estimator states of itself."""

from __future__ import annotations

import numpy as np

from components.confidence.estimators.columns import FloatArray

BINS = 15
"""Of the expected calibration error; of equal numbers of examples (Nixon et al. 2019)."""


def measure_quality(estimates: FloatArray, targets: FloatArray, *, is_class: bool) -> dict[str, float]:
    """Return numbers by name.

    ``n``; of probabilities ``rate``, ``auroc``, ``ece``, ``nce``; of values ``mean``, ``pearson``,
    ``mean_absolute_error``.

    Args:
        estimates: (n,)
        targets: (n,); 0 and 1 for classes.
        is_class: whether the estimates are probabilities.
    """
    quality = {"n": float(len(targets))}
    return quality | (_of_classes(estimates, targets) if is_class else _of_values(estimates, targets))


def _of_classes(estimates: FloatArray, targets: FloatArray) -> dict[str, float]:
    from sklearn.metrics import log_loss, roc_auc_score  # noqa: PLC0415 - a second, when fitted

    rate = float(targets.mean())
    loss = log_loss(targets, np.clip(estimates, 1e-12, 1 - 1e-12))
    entropy = log_loss(targets, np.full(len(targets), rate))
    order = np.argsort(estimates, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    gaps = [abs(estimates[part].mean() - targets[part].mean()) * len(part) for part in bins]
    return {
        "rate": rate,
        "auroc": float(roc_auc_score(targets, estimates)),
        "ece": float(sum(gaps) / len(targets)),
        "nce": float(1 - loss / entropy),
    }


def _of_values(estimates: FloatArray, targets: FloatArray) -> dict[str, float]:
    varied = estimates.std() > 0 and targets.std() > 0
    return {
        "mean": float(targets.mean()),
        "pearson": float(np.corrcoef(estimates, targets)[0, 1]) if varied else 0.0,
        "mean_absolute_error": float(np.abs(estimates - targets).mean()),
    }
