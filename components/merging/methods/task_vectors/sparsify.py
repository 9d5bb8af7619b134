"""Sparsification of task vectors: a mask of a delta, and a scale that makes up for what it drops.

As mergekit's ``SparsificationMethod``. A sparsifier sees a delta in pieces: ``passes`` times to measure it,
then to thin it out.
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
from components.merging.methods.task_vectors.mask_rules import (
    DellaMagPrune,
    MaskRule,
    Measuring,
    Unmeasured,
    pack_bits,
)

Rescale = Literal["none", "l1", "probability"]
_MIN_NORM = 1e-7  # norms below are left alone


class Sparsifier(Measuring, Protocol):
    """Sparsifies a delta that comes in flat pieces of whole rows."""

    def apply(self, piece: Tensor) -> Tensor:
        """Return the sparsified piece, in its type."""

    def select(self, delta: Delta) -> Selection:
        """Return what :meth:`apply` keeps of a piece whose difference is not stored, and its scale."""


class MaskSparsifier:
    """Applies a mask rule to a delta, and a scale that makes up for what the rule drops.

    Args:
        rule: which elements are kept.
        rescale: ``none``; ``l1``, as in mergekit: the delta keeps the sum of its magnitudes; ``probability``,
            as DARE and DELLA were published: elements are divided by their probability to be kept, so that
            the expectation stays.
        density: mean probability to be kept.
    """

    def __init__(self, rule: MaskRule, rescale: Rescale, density: float = 1.0) -> None:
        self._rule = rule
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
        """Return the sparsified piece, in its type."""
        sparse = self._rule.mask(piece).mul_(piece)
        return sparse if self._scale == 1.0 else sparse.mul_(self._scale)

    def select(self, delta: Delta) -> Selection:
        """Return what :meth:`apply` keeps of a piece whose difference is not stored, and its scale."""
        return self._rule.select(delta)._replace(scale=self._scale)


class KeepAll(Unmeasured):
    """Keeps every element (density 1)."""

    kind: SelectionKind | None = "all"

    def rewind(self) -> None:
        """Do nothing."""

    def apply(self, piece: Tensor) -> Tensor:
        """Return the piece itself."""
        return piece

    def select(self, delta: Delta) -> Selection:
        """Return all of it."""
        return Selection(bits=_ones(delta.base.numel()))


class DropAll(KeepAll):
    """Drops every element (density 0)."""

    kind = None  # 0 times infinity is not 0

    def apply(self, piece: Tensor) -> Tensor:
        """Return zeros of the piece's type and shape."""
        return torch.zeros_like(piece)


@lru_cache(maxsize=1)
def _ones(size: int) -> NDArray[np.uint8]:
    return pack_bits(np.ones(size, np.bool_))


def seed_of(seed: int, tensor: str, model: int) -> tuple[int, ...]:
    """Seed of one model's random numbers for one tensor, the same whatever else is merged."""
    return seed, zlib.crc32(tensor.encode()), model
