"""How good estimates of held-out examples are, in the numbers that a fitted estimator states of itself."""

from __future__ import annotations

import numpy as np

from components.confidence.estimators.columns import FloatArray
from components.confidence.evaluation.calibration import divide_by_mass


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
    gaps = np.abs(np.bincount(divide_by_mass(estimates), estimates - targets))
    return {
        "rate": rate,
        "auroc": float(roc_auc_score(targets, estimates)),
        "ece": float(gaps.sum() / len(targets)),
        "nce": float(1 - loss / entropy),
    }


def _of_values(estimates: FloatArray, targets: FloatArray) -> dict[str, float]:
    varied = estimates.std() > 0 and targets.std() > 0
    return {
        "mean": float(targets.mean()),
        "pearson": float(np.corrcoef(estimates, targets)[0, 1]) if varied else 0.0,
        "mean_absolute_error": float(np.abs(estimates - targets).mean()),
    }
