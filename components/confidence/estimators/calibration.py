"""Calibration: scores of held-out examples -> probabilities, or values as large as they are on average."""

from __future__ import annotations

import numpy as np

from components.confidence.estimators.columns import FloatArray, State

MIN_ISOTONIC = 1000
"""Examples from which ``auto`` takes isotonic regression, which overfits fewer (Niculescu-Mizil and Caruana
2005, https://doi.org/10.1145/1102351.1102430)."""


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
