"""Sparsification of task vectors: which elements of a delta are kept, and how the rest are rescaled.

The rules are those of mergekit's ``SparsificationMethod``: ``magnitude``
(:class:`~components.merging.methods.streaming_topk.MagnitudeTopK`), ``random``, ``magnitude_outliers`` and
``della_magprune``. A sparsifier sees a delta in pieces: ``passes`` times to measure it, then to thin it out.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.kernels.task_vectors import Delta, Selection, SelectionKind
from components.merging.methods.streaming_topk import MagnitudeTopK

Rescale = Literal["none", "l1", "probability"]
_MIN_NORM = 1e-7  # norms below are left alone


class MaskRule(Protocol):
    """Selects elements of a tensor that comes in flat pieces of whole rows.

    Attributes:
        passes: How many times all pieces have to be measured before the first is masked.
    """

    passes: int

    @property
    def kind(self) -> SelectionKind | None:
        """How it tells what it selects of a piece whose difference is not stored; None: it cannot."""

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number``, from 0."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Measure a piece in pass ``number``."""

    def rewind(self) -> None:
        """Begin anew with the first piece, to mask all pieces in order."""

    def mask(self, piece: Tensor) -> Tensor:
        """What each element is multiplied by, in the piece's type: 0 or 1, or 1 / its probability."""

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Measure a piece whose difference is not stored."""

    def select(self, delta: Delta) -> Selection:
        """Where the mask of a piece whose difference is not stored would be 1."""


class Sparsifier(Protocol):
    """Sparsifies a delta that comes in flat pieces of whole rows.

    Attributes:
        passes: How many times all pieces have to be measured before the first is sparsified.
    """

    passes: int

    @property
    def kind(self) -> SelectionKind | None:
        """How it tells what it keeps of a piece whose difference is not stored; None: it cannot."""

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number``, from 0."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Measure a piece in pass ``number``."""

    def rewind(self) -> None:
        """Begin anew with the first piece, to sparsify all pieces in order."""

    def apply(self, piece: Tensor) -> Tensor:
        """The sparsified piece, in its type."""

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Measure a piece whose difference is not stored."""

    def select(self, delta: Delta) -> Selection:
        """What :meth:`apply` keeps of a piece whose difference is not stored, and its scale."""


class _Unmeasured:
    """What needs no measuring pass."""

    passes = 0

    def begin_pass(self, number: int) -> None:
        """Nothing to do."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Nothing to do."""

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Nothing to do."""


class MagnitudeOutliers:
    """Keeps the largest magnitudes but not the outliers above them (Davari & Belilovsky 2023, Breadcrumbs).

    Args:
        keep: Number of elements that are kept.
        outliers: Number of elements of still larger magnitude that are dropped.
        dtype: Type of the pieces.
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
        """1 for elements among the largest and not among the outliers, else 0."""
        return self._rules[0].mask(piece).sub_(self._rules[1].mask(piece))

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Measure a piece whose difference is not stored."""
        for rule in self._rules:
            rule.measure_unstored(number, delta)

    def select(self, delta: Delta) -> Selection:
        """Where the mask of a piece whose difference is not stored would be 1."""
        low, high = (rule.threshold(delta) for rule in self._rules)
        return Selection(low, high)


class RandomDrop(_Unmeasured):
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
        """1 for elements that are kept, else 0."""
        selected = np.unpackbits(self._bits(piece.numel()), count=piece.numel(), bitorder="little")
        return torch.from_numpy(selected).to(piece.dtype)

    def select(self, delta: Delta) -> Selection:
        """Where the mask of a piece whose difference is not stored would be 1."""
        return Selection(bits=self._bits(delta.base.numel()))

    def _bits(self, count: int) -> NDArray[np.uint8]:
        """The bits of the next piece."""
        if self._next == len(self._drawn):
            self._drawn.append(_pack(self._draw(count)))
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


class DellaMagPrune(_Unmeasured):
    """Keeps each element with a probability that rises with its rank in its row (Deep et al. 2024, DELLA).

    It goes from ``density - epsilon`` for the smallest magnitude of a row to ``density + epsilon`` for the
    largest.

    Args:
        density: Mean probability to be kept.
        epsilon: Half the spread of the probabilities.
        row: Length of the ranked axis (the second), and the number of elements behind it.
        seed: Of the random numbers.

    Attributes:
        by_probability: Whether the mask holds 1 / probability where an element is kept.
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
        """1 (or 1 / probability) for elements that are kept, else 0."""
        rows = piece.view(-1, self._row, self._inner)
        order = rows.abs().argsort(dim=1)
        ranks = torch.empty(rows.shape, dtype=torch.float32)
        ladder = torch.arange(self._row, dtype=torch.float32) / max(self._row - 1, 1)
        ranks.scatter_(1, order, ladder.view(1, -1, 1).expand(rows.shape))
        low, width = self._range
        probability = (low + width * ranks).view(-1)
        drawn = torch.from_numpy(self._random.random(piece.numel(), dtype=np.float32))
        selected = probability.sub(drawn).gt_(0)
        return (selected.div_(probability) if self.by_probability else selected).to(piece.dtype)

    def select(self, delta: Delta) -> Selection:
        """Where the mask of a piece whose difference is not stored would be 1."""
        return Selection(bits=_pack(self.mask(delta.computed()).ne(0).numpy()))


class MaskSparsifier:
    """Applies a mask rule to a delta, and a scale that makes up for what the rule drops.

    Args:
        rule: Which elements are kept.
        rescale: ``none``; ``l1``, as in mergekit: the delta keeps the sum of its magnitudes; ``probability``,
            as DARE and DELLA were published: elements are divided by their probability to be kept, so that
            the expectation stays.
        density: Mean probability to be kept.
    """

    def __init__(self, rule: MaskRule, rescale: Rescale, density: float = 1.0) -> None:
        self._rule, self._rescale = rule, rescale
        self._scale = 1.0
        if rescale == "probability":
            if isinstance(rule, DellaMagPrune):
                rule.by_probability = True
            else:
                self._scale = 1.0 / density
        self._norms = [0.0, 0.0]
        self.passes = rule.passes + (rescale == "l1")

    @property
    def kind(self) -> SelectionKind | None:
        """The rule's."""
        return self._rule.kind

    def begin_pass(self, number: int) -> None:
        """Begin measuring pass ``number``: first the rule's passes, then one for the norms."""
        if number < self._rule.passes:
            self._rule.begin_pass(number)
        else:
            self._rule.rewind()

    def measure(self, number: int, piece: Tensor) -> None:
        """Measure a piece in pass ``number``."""
        if number < self._rule.passes:
            self._rule.measure(number, piece)
        elif number < self.passes:
            sparse = self._rule.mask(piece).mul_(piece)
            self._add_norms(piece.abs(), sparse.abs())

    def measure_unstored(self, number: int, delta: Delta) -> None:
        """Measure a piece whose difference is not stored."""
        if number < self._rule.passes:
            self._rule.measure_unstored(number, delta)
        elif number < self.passes:
            assert self._rule.kind is not None
            self._add_norms(*delta.magnitudes(self._rule.kind, self._rule.select(delta)))

    def _add_norms(self, *magnitudes: Tensor) -> None:
        for which, values in enumerate(magnitudes):
            self._norms[which] += float(values.sum(dtype=torch.float32))

    def rewind(self) -> None:
        """Begin anew with the first piece, to sparsify all pieces in order."""
        self._rule.rewind()
        before, after = self._norms
        if before >= _MIN_NORM and after >= _MIN_NORM:
            self._scale = before / after

    def apply(self, piece: Tensor) -> Tensor:
        """The sparsified piece, in its type."""
        sparse = self._rule.mask(piece).mul_(piece)
        return sparse if self._scale == 1.0 else sparse.mul_(self._scale)

    def select(self, delta: Delta) -> Selection:
        """What :meth:`apply` keeps of a piece whose difference is not stored, and its scale."""
        return self._rule.select(delta)._replace(scale=self._scale)


class KeepAll(_Unmeasured):
    """Keeps every element (density 1)."""

    kind: SelectionKind | None = "all"

    def rewind(self) -> None:
        """Nothing to do."""

    def apply(self, piece: Tensor) -> Tensor:
        """The piece itself."""
        return piece

    def select(self, delta: Delta) -> Selection:
        """All of it."""
        return Selection(bits=_ones(delta.base.numel()))


class DropAll(KeepAll):
    """Drops every element (density 0)."""

    kind = None  # 0 times infinity is not 0

    def apply(self, piece: Tensor) -> Tensor:
        """Zeros of the piece's type and shape."""
        return torch.zeros_like(piece)


def _pack(selected: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """One bit an element, the lowest of a byte first, and an even number of bytes."""
    packed = np.packbits(selected, bitorder="little")
    return np.pad(packed, (0, 1)) if packed.size % 2 else packed


@lru_cache(maxsize=1)
def _ones(size: int) -> NDArray[np.uint8]:
    return _pack(np.ones(size, np.bool_))


def seed_of(seed: int, tensor: str, model: int) -> tuple[int, ...]:
    """Seed of one model's random numbers for one tensor, the same whatever else is merged."""
    return seed, zlib.crc32(tensor.encode()), model
