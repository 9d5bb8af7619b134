"""Fits an estimator on texts with references, and says how good it is on held-out folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version

import numpy as np

from components.confidence.estimators.columns import FloatArray, fit_columns, to_matrix
from components.confidence.estimators.config import MIN_ITEMS, MIN_OF_CLASS, EstimatorConfig, TargetName
from components.confidence.estimators.cross_fitting import Data, FitRecipe, fit, predict_out_of_fold
from components.confidence.estimators.examples import Example, LabeledRows, label_examples
from components.confidence.estimators.fitted_estimator import FittedEstimator, FittedTarget
from components.confidence.estimators.targets import TARGETS, Output
from components.confidence.evaluation.calibration import divide_by_mass
from components.errors import DataError
from components.text.suggestions import suggest

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "lightgbm",
    "jiwer",
    "rapidfuzz",
    "sacrebleu",
    "openai-whisper",
)
"""Distributions whose versions decide a training."""


def fit_estimator(
    examples: Sequence[Example],
    output: Output,
    config: EstimatorConfig,
    seed: int = 0,
    progress: Callable[[float], None] = lambda percent: None,
) -> FittedEstimator:
    """Fit an estimator of transcripts or of translations.

    Args:
        examples: texts with references.
        output: which of the two they are.
        config: what is estimated, and how.
        seed: of the folds and of the trees.
        progress: gets percents.

    Raises:
        DataError: fewer than 50 examples, or a target that has one class or no features, in one line.
    """
    if len(examples) < MIN_ITEMS:
        raise DataError(
            f"expected at least {MIN_ITEMS} development utterances with a text and a reference, found "
            f"{len(examples)}; give more data"
        )
    labeled, threshold = label_examples(examples, output, config)
    _check_feature_names(labeled.values(), config.features)
    fitted: dict[TargetName, FittedTarget] = {}
    for name, rows in labeled.items():
        fitted[name] = _fit_target(name, rows, config, seed)
        progress(100 * len(fitted) / len(labeled))
    return FittedEstimator(
        of=output,
        method=config.method,
        targets=fitted,
        items=len(examples),
        normalizer=config.normalizer,
        bad_below=threshold,
        libraries={name: version(name) for name in LIBRARIES},
        seen=tuple(sorted({example.fingerprint for example in examples} - {""})),
    )


def _fit_target(name: TargetName, labeled: LabeledRows, config: EstimatorConfig, seed: int) -> FittedTarget:
    is_class = TARGETS[name].is_class
    if is_class:
        _check_classes(name, labeled)
    columns = fit_columns(labeled.rows, config.features)
    if not columns:
        raise DataError(
            f"{name}: expected features that most texts have and that differ, found none; read a node that "
            "keeps log-probabilities"
        )
    targets = np.asarray(labeled.values, np.float64)
    data = Data(to_matrix(labeled.rows, columns), targets, labeled.groups, is_class)
    recipe = FitRecipe(config.method, config.calibration, config.folds, seed)
    state, calibration = fit(data, recipe)
    limits = TARGETS[name].limits
    held_out = np.clip(predict_out_of_fold(data, recipe), *limits)
    quality = measure_quality(held_out, targets, is_class=is_class)
    return FittedTarget(columns=columns, state=state, calibration=calibration, quality=quality)


def _check_feature_names(labeled: Iterable[LabeledRows], names: Sequence[str]) -> None:
    """Refuse a feature that no text and no word has."""
    known = {name for rows in labeled for row in rows.rows for name in row}
    for name in names:
        if name not in known:
            raise DataError(f"features: no text has {name}{suggest(name, sorted(known))}")


def _check_classes(name: TargetName, labeled: LabeledRows) -> None:
    """Refuse a target that has one class only, or hardly more."""
    pairs = list(zip(labeled.groups, labeled.values, strict=True))
    for value, what in ((1.0, "are so"), (0.0, "are not")):
        groups = {group for group, target in pairs if target == value}
        if len(groups) < MIN_OF_CLASS:
            raise DataError(
                f"{name}: expected at least {MIN_OF_CLASS} different utterances that {what} "
                f"({TARGETS[name].summary}), found {len(groups)}; give more varied data, or leave {name} out "
                "of targets"
            )


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
