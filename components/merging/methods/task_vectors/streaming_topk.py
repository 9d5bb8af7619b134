"""The k largest magnitudes of a tensor that is seen in pieces: exact, by counting instead of sorting.

The bits of a non-negative float order like the float itself. The k-th largest magnitude's bits without the
sign (15, 31 or 63) are found from the top, 16 a pass: one ``bincount`` of the next 16 bits of all elements
whose higher bits are those found before.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from components.kernels.task_vectors import (
    NOTHING,
    Delta,
    Selection,
    SelectionKind,
    Threshold,
    empty_counts,
)
from components.merging.methods.order_statistics import INTEGERS


class MagnitudeTopK:
    """Selects the ``keep`` elements of largest magnitude among all pieces (a ``MaskRule``).

    Where several elements have the magnitude of the last that is selected, the earlier ones are.

    Attributes:
        passes: how many times all pieces have to be measured.
    """

    kind: SelectionKind | None = "largest"

    def __init__(self, keep: int, dtype: torch.dtype) -> None:
        self._keep = self._remaining = keep
        self._dtype = dtype
        self._integer = INTEGERS[dtype.itemsize]
        self._prefix = 0
        self._threshold_known = False
        self._counts = torch.zeros((1, 2), dtype=torch.int64)
        self.passes = dtype.itemsize // 2

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number`` over all pieces; the one before is complete."""
        if number > 0:
            self._narrow(number - 1)
        self._counts = empty_counts()

    def measure(self, number: int, piece: Tensor) -> None:
        """Count the magnitudes of a flat piece."""
        shift = 16 * (self.passes - 1 - number)
        pattern = piece.view(self._integer) & torch.iinfo(self._integer).max
        if number > 0:
            pattern = pattern[(pattern >> (shift + 16)) == self._prefix] >> shift & 0xFFFF
        elif shift:
            pattern >>= shift
        self._counts[0] += torch.bincount(pattern, minlength=self._counts.shape[1]).cpu()

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Count the magnitudes of a piece whose difference is not stored."""
        delta.count_magnitudes(self._counts, 16 * (self.passes - 1 - number), self._prefix)

    def rewind(self) -> None:
        """Begin anew with the first piece, to mask all pieces in order."""
        if not self._threshold_known:
            self._narrow(self.passes - 1)
            self._threshold_known = True
            pattern = torch.tensor([self._prefix], dtype=self._integer)
            self._threshold = float(pattern.view(self._dtype))
        self._ties = self._remaining

    def mask(self, piece: Tensor) -> Tensor:
        """Return a mask of the piece's type and shape: 1 where an element is selected, else 0."""
        if self._keep <= 0:
            return torch.zeros_like(piece)
        magnitude = piece.abs()
        if self._remaining == self._equal:
            return magnitude.ge_(self._threshold)
        if self._ties == 0:
            return magnitude.gt_(self._threshold)  # comparing in place is vectorised; into bool it is not
        ties = _places(magnitude.view(self._integer), self._prefix)
        if len(ties) <= self._ties:
            self._ties -= len(ties)
            return magnitude.ge_(self._threshold)
        earlier, self._ties = ties[: self._ties], 0
        return magnitude.gt_(self._threshold).index_fill_(0, earlier, 1)

    def select(self, delta: Delta) -> Selection:
        """Return where the mask of a piece whose difference is not stored would be 1."""
        return Selection(self.threshold(delta))

    def threshold(self, delta: Delta) -> Threshold:
        """Return what :meth:`mask` selects of a piece whose difference is not stored."""
        size = delta.base.numel()
        if self._keep <= 0:
            return Threshold(NOTHING, size)
        if self._remaining == self._equal:
            return Threshold(self._prefix, size)
        if self._ties == 0:
            return Threshold(self._prefix, 0)
        equal = self._counts[:, self._prefix & 0xFFFF]
        equal.zero_()
        delta.count_magnitudes(self._counts, 0, self._prefix >> 16)
        if int(equal.sum()) <= self._ties:
            self._ties -= int(equal.sum())
            return Threshold(self._prefix, size)
        ties = delta.computed().abs().view(self._integer).numpy() == self._prefix
        stop = int(np.flatnonzero(ties)[self._ties])
        self._ties = 0
        return Threshold(self._prefix, stop)

    def _narrow(self, number: int) -> None:
        """Find the bin that holds the last selected element, and how many of that bin are selected."""
        counts = self._counts[:, :-1].sum(0)  # without the bin of no use
        above = counts.flip(0).cumsum(0)
        if self._keep <= 0:
            return
        position = int(torch.searchsorted(above, self._remaining))
        index = counts.numel() - 1 - position
        self._remaining -= int(above[position - 1]) if position else 0
        self._equal = int(counts[index])
        self._prefix = self._prefix << 16 | index if number else index


def _places(patterns: Tensor, wanted: int) -> Tensor:
    """Return where the pattern is, in ascending order."""
    if patterns.device.type == "cpu":
        return torch.from_numpy(np.flatnonzero(patterns.numpy() == wanted))  # five times as fast as in torch
    return (patterns == wanted).nonzero().view(-1)
