"""Which elements of a delta are kept: mask rules of a tensor that comes in flat pieces of whole rows.

They are mergekit's: ``magnitude`` (``MagnitudeTopK``),
``random``, ``magnitude_outliers`` and ``della_magprune``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.kernels.task_vectors import Delta, Selection, SelectionKind
from components.merging.methods.task_vectors.streaming_topk import MagnitudeTopK


class Measuring(Protocol):
    """Measures all flat pieces of a tensor, of whole rows, before it changes the first.

    Attributes:
        passes: how many times all pieces have to be measured.
    """

    passes: int

    @property
    def kind(self) -> SelectionKind | None:
        """How it tells what it selects of a piece whose difference is not stored; None: it cannot."""

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number``, from 0."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Measure a piece in pass ``number``."""

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Measure a piece whose difference is not stored."""

    def rewind(self) -> None:
        """Begin anew with the first piece, to change all pieces in order."""


class MaskRule(Measuring, Protocol):
    """Selects elements of a tensor that comes in flat pieces of whole rows."""

    def mask(self, piece: Tensor) -> Tensor:
        """Return what each element is multiplied by, in the piece's type: 0 or 1, or 1 / its probability."""

    def select(self, delta: Delta) -> Selection:
        """Return where the mask of a piece whose difference is not stored would be 1."""


class Unmeasured:
    """What needs no measuring pass."""

    passes = 0

    def begin_pass(self, number: int) -> None:
        """Do nothing."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Do nothing."""

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Do nothing."""


class MagnitudeOutliers:
    """Keeps the largest magnitudes but not the outliers above them (Davari & Belilovsky 2023, Breadcrumbs).

    Args:
        keep: number of elements that are kept.
        outliers: number of elements of still larger magnitude that are dropped.
        dtype: type of the pieces.
    """

    kind: SelectionKind | None = "band"

    def __init__(self, keep: int, outliers: int, dtype: torch.dtype) -> None:
        self._rules = MagnitudeTopK(keep + outliers, dtype), MagnitudeTopK(outliers, dtype)
        self.passes = self._rules[0].passes

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number``, from 0."""
        for rule in self._rules:
            rule.begin_pass(number)

    def measure(self, number: int, piece: Tensor) -> None:
        """Measure a piece in pass ``number``."""
        for rule in self._rules:
            rule.measure(number, piece)

    def rewind(self) -> None:
        """Begin anew with the first piece, to mask all pieces in order."""
        for rule in self._rules:
            rule.rewind()

    def mask(self, piece: Tensor) -> Tensor:
        """Return 1 for elements among the largest and not among the outliers, else 0."""
        return self._rules[0].mask(piece).sub_(self._rules[1].mask(piece))

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Measure a piece whose difference is not stored."""
        for rule in self._rules:
            rule.measure_unstored(number, delta)

    def select(self, delta: Delta) -> Selection:
        """Return where the mask of a piece whose difference is not stored would be 1."""
        low, high = (rule.threshold(delta) for rule in self._rules)
        return Selection(low, high)


class RandomDrop(Unmeasured):
    """Keeps each element with probability ``density`` (Yu et al. 2024, DARE).

    One stream of random numbers, 16 bits an element, goes through all pieces, so that the result does not
    depend on their sizes. A second pass reads what the first has drawn, one bit an element.
    """

    kind: SelectionKind | None = "bits"

    def __init__(self, density: float, seed: tuple[int, ...]) -> None:
        self._limit = np.uint16(min(round(density * 2**16), 2**16 - 1))
        self._random = np.random.SFC64(np.random.SeedSequence(seed))
        self._spare = np.empty(0, np.uint16)
        self._drawn: list[NDArray[np.uint8]] = []
        self._next = 0

    def rewind(self) -> None:
        """Begin anew with the first piece and the same random numbers."""
        self._next = 0

    def mask(self, piece: Tensor) -> Tensor:
        """Return 1 for elements that are kept, else 0."""
        selected = np.unpackbits(self._bits(piece.numel()), count=piece.numel(), bitorder="little")
        return torch.from_numpy(selected).to(piece.device).to(piece.dtype)

    def select(self, delta: Delta) -> Selection:
        """Return where the mask of a piece whose difference is not stored would be 1."""
        return Selection(bits=self._bits(delta.base.numel()))

    def _bits(self, count: int) -> NDArray[np.uint8]:
        """Return the bits of the next piece."""
        if self._next == len(self._drawn):
            self._drawn.append(pack_bits(self._draw(count)))
        self._next += 1
        return self._drawn[self._next - 1]

    def _draw(self, count: int) -> NDArray[np.bool_]:
        missing = count - self._spare.size
        drawn = self._spare[:0]
        if missing > 0:
            drawn = self._random.random_raw((missing + 3) // 4).view(np.uint16)
        numbers = np.concatenate((self._spare, drawn)) if self._spare.size else drawn
        self._spare = numbers[count:]
        return numbers[:count] < self._limit


class DellaMagPrune(Unmeasured):
    """Keeps each element with a probability that rises with its rank in its row (Deep et al. 2024, DELLA).

    It goes from ``density - epsilon`` for the smallest magnitude of a row to ``density + epsilon`` for the
    largest.

    Args:
        density: mean probability to be kept.
        epsilon: half the spread of the probabilities.
        row: length of the ranked axis (the second), and the number of elements behind it.
        seed: of the random numbers.

    Attributes:
        by_probability: whether the mask holds 1 / probability where an element is kept.
    """

    def __init__(self, density: float, epsilon: float, row: tuple[int, int], seed: tuple[int, ...]) -> None:
        self._range = density - epsilon, 2 * epsilon
        self._row, self._inner = row
        self._seed = seed
        self.by_probability = False

    @property
    def kind(self) -> SelectionKind | None:
        """Bits, unless the mask holds more than 0 and 1."""
        return None if self.by_probability else "bits"

    def rewind(self) -> None:
        """Begin anew with the first piece and the same random numbers."""
        self._random = np.random.Generator(np.random.SFC64(np.random.SeedSequence(self._seed)))

    def mask(self, piece: Tensor) -> Tensor:
        """Return 1 (or 1 / probability) for elements that are kept, else 0."""
        rows = piece.view(-1, self._row, self._inner)
        order = rows.abs().argsort(dim=1, stable=True)
        ranks = torch.empty(rows.shape, dtype=torch.float32, device=piece.device)
        ladder = torch.arange(self._row, dtype=torch.float32, device=piece.device) / max(self._row - 1, 1)
        ranks.scatter_(1, order, ladder.view(1, -1, 1).expand(rows.shape))
        low, width = self._range
        probability = (low + width * ranks).view(-1)
        drawn = torch.from_numpy(self._random.random(piece.numel(), dtype=np.float32)).to(piece.device)
        selected = probability.sub(drawn).gt_(0)
        return (selected.div_(probability) if self.by_probability else selected).to(piece.dtype)

    def select(self, delta: Delta) -> Selection:
        """Return where the mask of a piece whose difference is not stored would be 1."""
        return Selection(bits=pack_bits(self.mask(delta.computed()).ne(0).numpy()))


def pack_bits(selected: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return one bit an element, the lowest of a byte first, and an even number of bytes."""
    packed = np.packbits(selected, bitorder="little")
    return np.pad(packed, (0, 1)) if packed.size % 2 else packed
