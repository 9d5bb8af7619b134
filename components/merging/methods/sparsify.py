"""Sparse task vectors: which elements of a delta stay, and by what the rest is made up for.

A trim sees a delta in pieces: first ``passes`` times to measure it, then once to be applied.
"""

from __future__ import annotations

import zlib
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from components.merging.methods.streaming_topk import MagnitudeTopK

Rescale = Literal["none", "l1", "probability"]
_MIN_NORM = 1e-7  # norms below are left alone


class MaskRule(Protocol):
    """Chooses elements of a flat tensor that comes in pieces of whole rows."""

    passes: int

    def begin_pass(self, number: int) -> None:
        """Measuring pass ``number`` begins."""

    def measure(self, number: int, piece: Tensor) -> None:
        """See a flat piece."""

    def rewind(self) -> None:
        """The pieces come again, to be masked."""

    def mask(self, piece: Tensor) -> Tensor:
        """What each element is multiplied by, in the piece's type: 0 or 1, or 1 / its probability."""


class MagnitudeOutliers:
    """Largest magnitudes, but for the very largest (Davari & Belilovsky 2023, Model Breadcrumbs)."""

    def __init__(self, keep: int, outliers: int, dtype: torch.dtype) -> None:
        self._rules = MagnitudeTopK(keep + outliers, dtype), MagnitudeTopK(outliers, dtype)
        self.passes = self._rules[0].passes

    def begin_pass(self, number: int) -> None:
        """Measuring pass ``number`` begins."""
        for part in self._rules:
            part.begin_pass(number)

    def measure(self, number: int, piece: Tensor) -> None:
        """See a flat piece."""
        for part in self._rules:
            part.measure(number, piece)

    def rewind(self) -> None:
        """The pieces come again, to be masked."""
        for part in self._rules:
            part.rewind()

    def mask(self, piece: Tensor) -> Tensor:
        """1 for the kept: among the largest, and not among the very largest."""
        return self._rules[0].mask(piece).sub_(self._rules[1].mask(piece))


class RandomDrop:
    """Each element stays with probability ``density`` (Yu et al. 2024, DARE); one stream for all pieces."""

    passes = 0

    def __init__(self, density: float, seed: tuple[int, ...]) -> None:
        self._limit = np.uint32(min(round(density * 2**32), 2**32 - 1))
        self._seed = seed

    def begin_pass(self, number: int) -> None:
        """Nothing is measured."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Nothing is measured."""

    def rewind(self) -> None:
        """The same random numbers again."""
        self._random = np.random.SFC64(np.random.SeedSequence(self._seed))
        self._spare = np.empty(0, np.uint32)

    def mask(self, piece: Tensor) -> Tensor:
        """1 for the kept, 0 for the others."""
        missing = piece.numel() - self._spare.size
        drawn = (
            self._random.random_raw((missing + 1) // 2).view(np.uint32) if missing > 0 else self._spare[:0]
        )
        numbers = np.concatenate((self._spare, drawn)) if self._spare.size else drawn
        self._spare = numbers[piece.numel() :]
        selected = (numbers[: piece.numel()] < self._limit).view(np.uint8)
        return torch.from_numpy(selected).to(piece.dtype)


class DellaMagPrune:
    """DELLA (Deep et al. 2024): the probability to stay rises with the rank of the magnitude in its row.

    From ``density - epsilon`` for the smallest of a row to ``density + epsilon`` for the largest.
    """

    passes = 0

    def __init__(self, density: float, epsilon: float, row: tuple[int, int], seed: tuple[int, ...]) -> None:
        self._range = density - epsilon, 2 * epsilon
        self._row, self._inner = row
        self._seed = seed
        self.by_probability = False

    def begin_pass(self, number: int) -> None:
        """Nothing is measured."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Nothing is measured."""

    def rewind(self) -> None:
        """The same random numbers again."""
        self._random = np.random.Generator(np.random.SFC64(np.random.SeedSequence(self._seed)))

    def mask(self, piece: Tensor) -> Tensor:
        """1 (or 1 / probability) for the kept, 0 for the others."""
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


class MaskSparsifier:
    """A selector and the scale that makes up for what it drops.

    ``rescale``: none; ``l1`` (mergekit: the delta keeps the sum of its magnitudes); ``probability`` (DARE and
    DELLA as published: divided by the probability to stay, so that the expectation stays).
    """

    def __init__(self, selector: MaskRule, rescale: Rescale, density: float = 1.0) -> None:
        self._rule, self._rescale = selector, rescale
        self._scale = 1.0
        if rescale == "probability":
            if isinstance(selector, DellaMagPrune):
                selector.by_probability = True
            else:
                self._scale = 1.0 / density
        self._norms = [0.0, 0.0]
        self.passes = selector.passes + (rescale == "l1")

    def begin_pass(self, number: int) -> None:
        """Measuring pass ``number`` begins."""
        if number < self._rule.passes:
            self._rule.begin_pass(number)
        else:
            self._rule.rewind()

    def measure(self, number: int, piece: Tensor) -> None:
        """See a flat piece."""
        if number < self._rule.passes:
            self._rule.measure(number, piece)
        elif number < self.passes:
            sparse = self._rule.mask(piece).mul_(piece)
            for which, values in enumerate((piece, sparse)):
                self._norms[which] += float(values.abs().sum(dtype=torch.float32))

    def rewind(self) -> None:
        """The pieces come a last time, to be trimmed."""
        self._rule.rewind()
        before, after = self._norms
        if before >= _MIN_NORM and after >= _MIN_NORM:
            self._scale = before / after

    def apply(self, piece: Tensor) -> Tensor:
        """The trimmed piece, in its type."""
        sparse = self._rule.mask(piece).mul_(piece)
        return sparse if self._scale == 1.0 else sparse.mul_(self._scale)


class KeepAll:
    """Every element stays."""

    passes = 0

    def begin_pass(self, number: int) -> None:
        """Nothing is measured."""

    def measure(self, number: int, piece: Tensor) -> None:
        """Nothing is measured."""

    def rewind(self) -> None:
        """The pieces come."""

    def apply(self, piece: Tensor) -> Tensor:
        """The piece itself."""
        return piece


class DropAll(KeepAll):
    """No element stays (density 0)."""

    def apply(self, piece: Tensor) -> Tensor:
        """Zeros."""
        return torch.zeros_like(piece)


def seed_of(seed: int, tensor: str, model: int) -> tuple[int, ...]:
    """The seed of one model's random numbers for one tensor: the same whatever else is merged."""
    return seed, zlib.crc32(tensor.encode()), model
