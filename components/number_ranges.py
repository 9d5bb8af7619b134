"""Which values the numbers of a text can have, so that a threshold that says nothing is refused."""

from __future__ import annotations

from math import inf

Range = tuple[float, float]
"""The least and the greatest value, both included."""
ANY: Range = (-inf, inf)
PROBABILITY: Range = (0.0, 1.0)
LOG_PROBABILITY: Range = (-inf, 0.0)
NONNEGATIVE: Range = (0.0, inf)
PERCENT: Range = (0.0, 100.0)


def describe_fault(name: str, limits: Range, threshold: float) -> str | None:
    """Return why no value of ``name`` lies on one side of a threshold; None where one may."""
    low, high = limits
    if low <= threshold <= high:
        return None
    words = f"{low:g} to {high:g}"
    if low == -inf:
        words = f"at most {high:g}"
    elif high == inf:
        words = f"at least {low:g}"
    return f"expected {words}, as {name} is, found {threshold:g}"
