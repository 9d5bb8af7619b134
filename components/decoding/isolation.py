"""One bad row does not fail its batch: what cannot be decoded is found by halving, the rest is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from components.errors import ModelError

Item = TypeVar("Item")
Result = TypeVar("Result")


def isolate(
    decode: Callable[[list[Item]], Sequence[Result]], items: Sequence[Item]
) -> list[Result | ModelError]:
    """``decode(items)``, with the error in the place of every item that raises a ModelError even alone."""
    try:
        return list(decode(list(items)))
    except ModelError as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return [*isolate(decode, items[:middle]), *isolate(decode, items[middle:])]
