"""Bootstrap aggregation (Breiman 1996): each member learns from a sample that is drawn with replacement.

A sample depends on the seed, its number and the number of items only, so that drawing more samples changes
none. The train flow draws it (``antiphon run train --set bag=1``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

Item = TypeVar("Item")


class BootstrapSample(NamedTuple):
    """Indices of a sequence: as many draws as it has items, and those never drawn (about 36.8%)."""

    indices: list[int]
    out_of_bag: list[int]


def draw_bootstrap_sample(size: int, seed: int, number: int) -> BootstrapSample:
    """Draw sample ``number`` (from 1) of ``size`` items."""
    indices = np.random.default_rng([seed, number]).integers(size, size=size).tolist()
    in_bag = set(indices)
    return BootstrapSample(indices, [index for index in range(size) if index not in in_bag])


def resample_items(items: Sequence[Item], seed: int, number: int | None) -> Sequence[Item]:
    """Return the items of sample ``number``, or all of them without a number."""
    return (
        items
        if number is None
        else [items[index] for index in draw_bootstrap_sample(len(items), seed, number).indices]
    )
