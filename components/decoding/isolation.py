"""Bisection of a batch that fails: the items at fault are singled out, the others are decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from components.errors import ModelError

Item = TypeVar("Item")
Result = TypeVar("Result")


def isolate(
    decode: Callable[[list[Item]], Sequence[Result]],
    items: Sequence[Item],
    errors: type[ModelError] | tuple[type[ModelError], ...] = ModelError,
) -> list[Result | ModelError]:
    """Decode a batch; where it fails, decode its halves, down to single items.

    Args:
        decode: decodes a batch, one result per item.
        items: the batch.
        errors: what singles out items; any other error ends it.

    Returns:
        One entry per item: its result, or the ModelError that it raises even alone.
    """
    try:
        return list(decode(list(items)))
    except errors as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return [*isolate(decode, items[:middle], errors), *isolate(decode, items[middle:], errors)]
