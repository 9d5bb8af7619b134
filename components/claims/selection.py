"""Choices on development data: the best system, and a point of a grid that is not its edge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from components.errors import DataError

T = TypeVar("T")
Curve = Sequence[tuple[float, float] | Sequence[float]]
"""Points (value, score on development data) of a grid."""


def best_on_dev(scores: Mapping[T, float], *, higher_is_better: bool = True) -> T:
    """Return what scores best on development data; of equal ones the first.

    Raises:
        DataError: There is nothing to choose from.
    """
    if not scores:
        raise DataError("expected scores of development data to choose by, found none")
    return (max if higher_is_better else min)(scores, key=scores.__getitem__)


def choose_on_grid(curve: Curve) -> float:
    """Return the value with the best score."""
    return best_on_dev({float(value): float(score) for value, score, *_ in curve})


def refuse_edges(curves: Mapping[str, Curve], *, natural: Collection[float] = ()) -> tuple[str, ...]:
    """Return why choices answer nothing: each that lies at the edge of what was tried, in a line.

    Args:
        curves: what was chosen -> the grid with its scores.
        natural: Values beyond which there is nothing to try (a weight of 0); to choose them is an answer.
    """
    refused = []
    for name, curve in curves.items():
        tried = sorted(float(value) for value, *_ in curve)
        chosen = choose_on_grid(curve)
        if chosen in (tried[0], tried[-1]) and chosen not in natural:
            edge = "lowest" if chosen == tried[0] else "highest"
            refused.append(f"{name}: {chosen:g} is the {edge} of {len(tried)} values tried")
    return tuple(refused)
