"""Fitting with held-out parts: neither the calibration nor the stated quality sees its own examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.confidence.estimators.calibration import calibrate, fit_calibration
from components.confidence.estimators.columns import FloatArray, State
from components.confidence.estimators.methods import METHODS


class Data(NamedTuple):
    """Examples of one target.

    Attributes:
        matrix: (n examples, k columns)
        targets: (n,); 0 and 1 for classes.
        groups: (n,) what may not be divided between folds.
        is_class: whether targets are classes.
    """

    matrix: FloatArray
    targets: FloatArray
    groups: Sequence[str]
    is_class: bool

    def select(self, mask: NDArray[np.bool_]) -> Data:
        """Return the examples where ``mask`` (n,) is True."""
        groups = [group for group, is_selected in zip(self.groups, mask, strict=True) if is_selected]
        return Data(self.matrix[mask], self.targets[mask], groups, self.is_class)


class FitRecipe(NamedTuple):
    """How a target is fitted: a row of METHODS, a calibration, the number of folds, the seed."""

    method: str
    calibration: str
    folds: int
    seed: int


def assign_folds(data: Data, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold (n,) of each example; groups with the rarer class are spread evenly."""
    names = list(dict.fromkeys(data.groups))
    np.random.default_rng(seed).shuffle(names)
    rarer = float(data.targets.mean() < 0.5)
    pairs = zip(data.groups, data.targets, strict=True)
    first = {group for group, target in pairs if data.is_class and target == rarer}
    names.sort(key=lambda name: name not in first)
    fold = {name: number % folds for number, name in enumerate(names)}
    return np.asarray([fold[group] for group in data.groups], np.int64)


def fit(data: Data, recipe: FitRecipe) -> tuple[State, State]:
    """Fit a method on all examples and its calibration on scores of examples that were held out.

    As scikit-learn's ``CalibratedClassifierCV(ensemble=False)``. The one feature of ``isotonic`` is not
    fitted, but chosen, so its calibration reads its own examples.
    """
    method = METHODS[recipe.method]
    state = method.fit(data.matrix, data.targets, data.is_class, recipe.seed)
    if recipe.method == "isotonic":
        scores, calibration = method.predict(state, data.matrix), "isotonic"
    else:
        scores, calibration = np.zeros(len(data.targets)), recipe.calibration
        folds = assign_folds(data, recipe.folds, recipe.seed)
        for number in range(recipe.folds if calibration != "none" else 0):
            held_out = folds == number
            if held_out.any():
                rest = data.select(~held_out)
                part = method.fit(rest.matrix, rest.targets, data.is_class, recipe.seed)
                scores[held_out] = method.predict(part, data.matrix[held_out])
    return state, fit_calibration(calibration, scores, data.targets, is_class=data.is_class)


def predict(method: str, state: State, calibration: State, matrix: FloatArray) -> FloatArray:
    """Return calibrated probabilities or values (n,) of examples (n, k)."""
    return calibrate(calibration, METHODS[method].predict(state, matrix))


def predict_out_of_fold(data: Data, recipe: FitRecipe) -> FloatArray:
    """Return the estimate (n,) of each example by what was fitted and calibrated on the other folds."""
    estimates = np.zeros(len(data.targets))
    folds = assign_folds(data, recipe.folds, recipe.seed)
    for number in np.unique(folds):
        held_out = folds == number
        fitted = fit(data.select(~held_out), recipe._replace(seed=recipe.seed + 1))
        estimates[held_out] = predict(recipe.method, *fitted, data.matrix[held_out])
    return estimates
