"""Features by name as the columns of a matrix: standardized, with absent values filled in and marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.records import Record

FloatArray = NDArray[np.float64]
Features = Mapping[str, float]
MAX_ABSENT = 0.5
"""Share of absent values above which a feature is not used."""


class Column(Record):
    """One feature as the training knew it.

    Attributes:
        name: of the feature.
        mean: of its values; stands for absent ones.
        deviation: their standard deviation, above 0.
        low: their least; lower values count as this one, since nothing was learned of them.
        high: their greatest.
        absent: share of the examples that had no value. Above 0 there is a second column, 1 where absent.
    """

    name: str
    mean: float
    deviation: float = Field(gt=0)
    low: float
    high: float
    absent: float = Field(ge=0, le=1)


def fit_columns(rows: Sequence[Features], only: Sequence[str] = ()) -> tuple[Column, ...]:
    """Return a column for every feature that most examples have and that differs among them.

    Args:
        rows: features of the examples.
        only: the features to use; all if empty.
    """
    names = sorted({name for row in rows for name in row})
    columns = []
    for name in names if not only else [name for name in names if name in only]:
        values = np.asarray([row[name] for row in rows if name in row], np.float64)
        absent = 1 - len(values) / len(rows)
        deviation = float(values.std())
        if absent <= MAX_ABSENT and deviation > 1e-9:
            mean, low, high = map(float, (values.mean(), values.min(), values.max()))
            columns.append(
                Column(name=name, mean=mean, deviation=deviation, low=low, high=high, absent=absent)
            )
    return tuple(columns)


def to_matrix(rows: Sequence[Features], columns: Sequence[Column]) -> FloatArray:
    """Return the matrix (examples, features and marks) of standardized values; absent ones are 0."""
    parts = []
    for column in columns:
        values = np.asarray([row.get(column.name, np.nan) for row in rows], np.float64)
        absent = np.isnan(values)
        scaled = (np.clip(values, column.low, column.high) - column.mean) / column.deviation
        parts.append(np.where(absent, 0.0, scaled))
        if column.absent > 0:
            parts.append(absent.astype(np.float64))
    return np.stack(parts, axis=1) if parts else np.zeros((len(rows), 0))


def find_missing(rows: Sequence[Features], columns: Sequence[Column]) -> list[str]:
    """Return the features that the system behind these texts does not give, though an estimator needs them.

    A feature counts as not given where none of the texts has it, and the training always had it; or mostly
    had it, and there are at least 8 texts. What single texts lack is filled in.
    """
    enough = len(rows) >= 8
    return [
        column.name
        for column in columns
        if rows and not any(column.name in row for row in rows) and (column.absent == 0 or enough)
    ]


State = dict[str, Any]
"""What a method has learned, as JSON."""
