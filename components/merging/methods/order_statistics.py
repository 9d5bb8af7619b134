"""The k-th smallest numbers of a tensor that is seen in pieces: exact, by counting instead of sorting.

The bits of a float, with all but the sign inverted where it is negative, order like the float itself as a
signed integer. 16 bits are found in a pass over all pieces.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Size of an element in bytes -> the integers that have as many."""


class OrderStatistics:
    """Finds the numbers that stand at given places in ascending order, signs included.

    Args:
        ranks: the places, from 0.
        dtype: type of the pieces.

    Attributes:
        passes: how many times all pieces have to be measured.
    """

    def __init__(self, ranks: Sequence[int], dtype: torch.dtype) -> None:
        self._dtype, self._integer = dtype, INTEGERS[dtype.itemsize]
        self._remaining = list(ranks)
        self._prefixes = [0] * len(ranks)
        self._counts: list[Tensor] = []
        self.passes = dtype.itemsize // 2

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number`` over all pieces; the one before is complete."""
        if number > 0:
            self._narrow(number - 1)
        self._counts = [torch.zeros(1 << 16, dtype=torch.int64) for _ in self._prefixes]

    def measure(self, number: int, piece: Tensor) -> None:
        """Count the numbers of a flat piece."""
        bits = piece.view(self._integer)
        ordered = bits ^ ((bits >> (8 * bits.itemsize - 1)) & torch.iinfo(self._integer).max)
        shift = 16 * (self.passes - 1 - number)
        for counts, prefix in zip(self._counts, self._prefixes, strict=True):
            candidates = ordered if number == 0 else ordered[ordered >> (shift + 16) == prefix]
            digits = (candidates >> shift).long()
            digits = digits + (1 << 15) if number == 0 else digits & 0xFFFF
            counts.add_(torch.bincount(digits, minlength=1 << 16))

    def values(self) -> Tensor:
        """Return the numbers at the ranks, in their order."""
        self._narrow(self.passes - 1)
        ordered = torch.tensor(self._prefixes, dtype=self._integer)
        negative = (ordered >> (8 * ordered.itemsize - 1)) & torch.iinfo(self._integer).max
        return (ordered ^ negative).view(self._dtype)

    def _narrow(self, number: int) -> None:
        """Find the 16 bits of each rank among those that were counted."""
        for which, counts in enumerate(self._counts):
            below = counts.cumsum(0)
            digit = int(torch.searchsorted(below, self._remaining[which], right=True))
            self._remaining[which] -= int(below[digit - 1]) if digit else 0
            first = digit - (1 << 15)
            self._prefixes[which] = first if number == 0 else self._prefixes[which] << 16 | digit
