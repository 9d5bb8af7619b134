"""Bootstrap aggregation (Breiman 1996): each member learns from a sample that is drawn with replacement.

A sample depends on the seed, its number and the number of items only, so that drawing more samples changes
none. The train flow draws it (``antiphon run train --set bag=1``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def resample_items(items: Sequence[Item], seed: int, number: int | None) -> Sequence[Item]:
    """Return the items of sample ``number`` (from 1), as many as there are; all of them without a number."""
    if number is None:
        return items
    drawn = np.random.default_rng([seed, number]).integers(len(items), size=len(items)).tolist()
    return [items[index] for index in drawn]
