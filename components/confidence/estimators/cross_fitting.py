"""Fitting with held-out parts: neither the calibration nor the stated quality sees its own examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.confidence.estimators.columns import FloatArray, State
from components.confidence.estimators.methods import METHODS

MIN_ISOTONIC = 1000
"""Examples from which ``auto`` takes isotonic regression, which overfits fewer (Niculescu-Mizil and Caruana
2005, https://doi.org/10.1145/1102351.1102430)."""


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


def fit_calibration(name: str, scores: FloatArray, targets: FloatArray, *, is_class: bool) -> State:
    """Fit a calibration on scores that their own examples had no part in.

    Args:
        name: ``isotonic``, ``sigmoid`` (for expected values a line), ``none``, or ``auto``.
        scores: (n,)
        targets: (n,); 0 and 1 for classes.
        is_class: whether the result is a probability.
    """
    if name == "auto":
        name = "isotonic" if len(scores) >= MIN_ISOTONIC else "sigmoid"
    if name == "none":
        return {"method": name, "slope": 1.0, "intercept": 0.0, "is_class": is_class}
    if name == "isotonic":
        return _fit_isotonic(scores, targets, is_class=is_class)
    return _fit_line(scores, targets, is_class=is_class)


def _fit_isotonic(scores: FloatArray, targets: FloatArray, *, is_class: bool) -> State:
    from sklearn.isotonic import IsotonicRegression  # noqa: PLC0415 - a second, when fitted

    edge = 1 / (len(scores) + 2)  # no finite sample shows a probability of 0 or 1 (Laplace)
    bounds = {"y_min": edge, "y_max": 1 - edge} if is_class else {}
    model = IsotonicRegression(out_of_bounds="clip", **bounds).fit(scores, targets)
    return {"method": "isotonic", "x": model.X_thresholds_.tolist(), "y": model.y_thresholds_.tolist()}


def _fit_line(scores: FloatArray, targets: FloatArray, *, is_class: bool) -> State:
    """Fit Platt's sigmoid (1999), or for expected values least squares."""
    from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: PLC0415 - when fitted

    model = LogisticRegression(C=1e4, max_iter=2000) if is_class else LinearRegression()
    model.fit(scores[:, None], targets)
    slope = max(0.0, float(np.ravel(model.coef_)[0]))  # a score never counts against what it was fitted for
    intercept = float(np.ravel(model.intercept_)[0])
    if slope == 0.0:
        mean = float(targets.mean())
        intercept = float(np.log(mean / (1 - mean))) if is_class else mean
    return {"method": "sigmoid", "slope": slope, "intercept": intercept, "is_class": is_class}


def calibrate(state: State, scores: FloatArray) -> FloatArray:
    """Return the probabilities or values (n,) of scores (n,)."""
    if state["method"] == "isotonic":
        return np.interp(scores, state["x"], state["y"])
    values: FloatArray = state["slope"] * scores + state["intercept"]
    return 1 / (1 + np.exp(-np.clip(values, -700, 700))) if state["is_class"] else values
