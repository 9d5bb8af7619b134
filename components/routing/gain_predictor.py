"""What escalation would gain, predicted from several numbers of the cheap output by ridge regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.confidence.estimators.columns import Column, FloatArray, fit_columns, to_matrix
from components.confidence.estimators.cross_fitting import Data, FitRecipe, fit, predict, predict_out_of_fold
from components.errors import DataError
from components.records import Record

_METHOD = "logistic"
"""The row of the table of estimators that is ridge regression for expected values."""
_RECIPE = FitRecipe(_METHOD, calibration="none", folds=5, seed=0)


class GainPredictor(Record):
    """A fitted regression.

    Attributes:
        columns: the numbers, and how they are standardized.
        state: what the method has learned.
        calibration: how its scores are calibrated: not at all.
    """

    columns: tuple[Column, ...]
    state: dict[str, object]
    calibration: dict[str, object]

    def predict(self, numbers: Mapping[str, float]) -> float:
        """Return the gain of one utterance, in points of its own score; absent numbers count as the mean."""
        return float(predict(_METHOD, self.state, self.calibration, to_matrix([numbers], self.columns))[0])


def fit_gain_predictor(
    rows: Sequence[Mapping[str, float]], gains: FloatArray, ids: Sequence[str]
) -> tuple[GainPredictor, FloatArray]:
    """Fit the regression, and predict every example by what was fitted on others.

    Args:
        rows: numbers of the examples by name.
        gains: what escalation gains in each (n,).
        ids: of the utterances, which decide the folds.

    Returns:
        The regression on all examples, and the predictions (n,) of held-out ones, for the threshold.

    Raises:
        DataError: no number differs among the examples, or most lack it.
    """
    columns = fit_columns(rows)
    if not columns:
        names = ", ".join(sorted({name for row in rows for name in row}))
        raise DataError(f"by: expected numbers that most texts have and that differ, found none of {names}")
    data = Data(to_matrix(rows, columns), gains, ids, is_class=False)
    state, calibration = fit(data, _RECIPE)
    return GainPredictor(columns=columns, state=state, calibration=calibration), predict_out_of_fold(
        data, _RECIPE
    )
