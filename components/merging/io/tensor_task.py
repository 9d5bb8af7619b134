"""One output tensor: what it is computed from, and the pieces in which that is read.

Pieces are whole rows (slices along the first axis) of about ``PIECE`` elements, so that memory does not grow
with the size of the tensor; a row that is longer than a piece is cut where the method does not need it whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from components.merging.recipe.parameters import Scalar

PIECE = 1 << 19
CACHE = 16 << 20
"""Bytes of pieces that are kept between the passes over a tensor; larger ones are read again."""

Span = tuple[int, int]
P = TypeVar("P")


class ReadableTensor(Protocol):
    """A tensor that can be read in part."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> torch.dtype:
        """Its stored type."""

    def read(self, start: int, stop: int) -> Tensor:
        """Elements ``start`` to ``stop``, flat, in the stored type."""


class TensorInput(NamedTuple):
    """One model's tensor with the values of the parameters that are its own. ``model`` numbers the model."""

    tensor: ReadableTensor
    model_index: int
    parameters: Mapping[str, Scalar | None]

    def float_parameter(self, name: str) -> float:
        """A numeric parameter."""
        return float(self.parameters[name] or 0.0)


class TensorTask(NamedTuple):
    """How one tensor of the output is made. ``operands`` are in the recipe's order, without ``base``.

    ``dtype`` is the type in which the operands are taken, ``out`` the type that is stored.
    """

    name: str
    shape: tuple[int, ...]
    inputs: tuple[TensorInput, ...]
    base: TensorInput | None
    base_first: bool
    parameters: Mapping[str, Scalar | None]
    dtype: torch.dtype
    out_dtype: torch.dtype
    seed: int

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def all_inputs(self) -> tuple[TensorInput, ...]:
        """The operands and the base, which mergekit takes where the recipe names it, else last."""
        if self.base is None:
            return self.inputs
        return (self.base, *self.inputs) if self.base_first else (*self.inputs, self.base)

    def spans(self, *, whole_rows: bool = False) -> Iterator[Span]:
        """Where the pieces begin and end, in elements."""
        total = self.numel
        row = total // self.shape[0] if len(self.shape) > 1 and self.shape[0] else total
        step = PIECE // row * row if 0 < row <= PIECE else (row if whole_rows else PIECE)
        for start in range(0, total, max(step, 1)):
            yield start, min(start + step, total)

    def read(self, operand: TensorInput, span: Span) -> Tensor:
        """A piece of an operand, in the type of the job."""
        return operand.tensor.read(*span).to(self.dtype)


class CachedPieces(Generic[P]):
    """Pieces that are gone through several times; those of small tensors are read once.

    What is kept is the very pieces: only the last pass may overwrite them.
    """

    def __init__(self, read: Callable[[], Iterator[P]], size: int) -> None:
        self._read = read
        self._cached: list[P] | None = [] if size <= CACHE else None

    def __iter__(self) -> Iterator[P]:
        if self._cached:
            yield from self._cached
            return
        for piece in self._read():
            if self._cached is not None:
                self._cached.append(piece)
            yield piece
