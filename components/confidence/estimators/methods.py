"""The table of methods: how features become a score that grows with the probability or the expected value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.confidence.estimators.columns import FloatArray, State
from components.errors import ConfigError, require_extra

BOOSTING = {
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_data_in_leaf": 20,
    "lambda_l2": 1.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
"""Small trees, since development sets are: LightGBM's names; one thread, so that the result is the same."""
ROUNDS = 120
STRENGTH = 1.0
"""Of the L2 penalty on standardized features: scikit-learn's C, and its alpha."""

Fit = Callable[[FloatArray, FloatArray, bool, int], State]
Predict = Callable[[State, FloatArray], FloatArray]


@dataclass(frozen=True)
class Method:
    """A way from features to a score.

    Attributes:
        summary: in a line.
        source: where it comes from.
        fit: (examples x columns, targets, whether they are 0 and 1, seed) -> what was learned.
        predict: (what was learned, examples x columns) -> scores.
    """

    summary: str
    source: str
    fit: Fit
    predict: Predict


def _fit_single(matrix: FloatArray, targets: FloatArray, is_class: bool, seed: int) -> State:
    """Take the column whose ranks agree best with the targets', and the sign of that agreement."""
    from scipy.stats import spearmanr  # noqa: PLC0415 - 0.3 s, when something is fitted

    varied = [n for n in range(matrix.shape[1]) if np.ptp(matrix[:, n]) > 0]
    agreement = {n: float(spearmanr(matrix[:, n], targets).statistic) for n in varied}
    best = max(agreement, key=lambda n: abs(agreement[n]), default=0)
    return {"column": best, "sign": -1.0 if agreement.get(best, 0.0) < 0 else 1.0}


def _predict_single(state: State, matrix: FloatArray) -> FloatArray:
    scores: FloatArray = state["sign"] * matrix[:, state["column"]]
    return scores


def _fit_linear(matrix: FloatArray, targets: FloatArray, is_class: bool, seed: int) -> State:
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415 - a second, when fitted

    model = LogisticRegression(C=STRENGTH, max_iter=2000) if is_class else Ridge(alpha=STRENGTH)
    model.fit(matrix, targets)
    intercept = float(np.ravel(model.intercept_)[0])
    return {"coefficients": np.ravel(model.coef_).tolist(), "intercept": intercept}


def _predict_linear(state: State, matrix: FloatArray) -> FloatArray:
    """Return the linear predictor; for classes the log-odds."""
    scores: FloatArray = matrix @ np.asarray(state["coefficients"], np.float64) + state["intercept"]
    return scores


def _import_lightgbm() -> Any:
    """Import LightGBM, which takes a second.

    Raises:
        ConfigError: it is not installed, or the OpenMP library that its wheel does not carry is missing.
    """
    require_extra("gradient_boosting", "lightgbm", "boosting", ", or use method: logistic")
    try:
        import lightgbm  # noqa: PLC0415 - an extra
    except OSError as error:
        raise ConfigError(
            f"gradient_boosting: expected the OpenMP library of LightGBM, found {error}; apt-get install "
            "libgomp1, or use method: logistic"
        ) from None
    return lightgbm


def _fit_boosting(matrix: FloatArray, targets: FloatArray, is_class: bool, seed: int) -> State:
    lightgbm = _import_lightgbm()
    parameters = {**BOOSTING, "objective": "binary" if is_class else "regression", "seed": seed}
    data = lightgbm.Dataset(matrix, targets, params={"verbosity": -1, "min_data_in_bin": 1})
    return {"lightgbm": lightgbm.train(parameters, data, num_boost_round=ROUNDS).model_to_string()}


def _predict_boosting(state: State, matrix: FloatArray) -> FloatArray:
    """Return the sum of the trees; for classes the log-odds."""
    model = _import_lightgbm().Booster(model_str=state["lightgbm"])
    return np.asarray(model.predict(matrix, raw_score=True, num_threads=1), np.float64)


METHODS: dict[str, Method] = {
    "isotonic": Method(
        "the feature that ranks best, by isotonic regression",
        "Zadrozny and Elkan 2002, https://doi.org/10.1145/775047.775151",
        _fit_single,
        _predict_single,
    ),
    "logistic": Method(
        "logistic regression of probabilities, ridge regression of expected values; scikit-learn",
        "Hosmer and Lemeshow 2000; Hoerl and Kennard 1970",
        _fit_linear,
        _predict_linear,
    ),
    "gradient_boosting": Method(
        "small regression trees; LightGBM",
        "Friedman 2001, https://doi.org/10.1214/aos/1013203451; Ke et al. 2017",
        _fit_boosting,
        _predict_boosting,
    ),
}
"""Name -> method."""
