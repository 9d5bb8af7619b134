"""Bootstrap aggregation (Breiman 1996): each member learns from a sample drawn with replacement.

A bag depends on the seed, on its number and on the number of items only, so more bags change none. The train
flow draws it (``antiphon run train --set bag=1``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Item = TypeVar("Item")


class Bag(NamedTuple):
    """Places of a sequence: as many draws as it has items, and those never drawn (about 36.8%)."""

    drawn: list[int]
    out_of_bag: list[int]


def bag(size: int, seed: int, number: int) -> Bag:
    """Bag ``number`` (from 1) of ``size`` items."""
    drawn = np.random.default_rng([seed, number]).integers(size, size=size).tolist()
    seen = set(drawn)
    return Bag(drawn, [place for place in range(size) if place not in seen])


def bagged(items: Sequence[Item], seed: int, number: int | None) -> Sequence[Item]:
    """The items of bag ``number``, or all of them without a number."""
    return items if number is None else [items[place] for place in bag(len(items), seed, number).drawn]
