"""One tensor of the output: what it is computed from, and the pieces in which that is read.

Pieces are whole rows (slices along the first axis) of about ``PIECE_ELEMENTS`` elements, so that memory does
not grow with the size of the tensor; a row that is longer than a piece is cut where the method does not need
it whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from components.merging.recipe.parameters import Scalar

PIECE_ELEMENTS = 1 << 19
CACHE_BYTES = 32 << 20
"""Inputs of a tensor that are smaller stay in memory between the passes over them; larger are read again."""
CARD_FACTOR = 32
"""On a card pieces and cache are so many times larger: starting a kernel takes its time."""
CPU = torch.device("cpu")

Span = tuple[int, int]
"""First element of a flat tensor and the one beyond the last."""
P = TypeVar("P")


class ReadableTensor(Protocol):
    """A tensor that can be read in slices."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""

    @property
    def dtype(self) -> torch.dtype:
        """Its stored type."""

    def read(self, start: int, stop: int) -> Tensor:
        """Return elements ``start`` to ``stop``, flat, in the stored type."""


class TensorInput(NamedTuple):
    """One model's tensor and the values of its parameters.

    Attributes:
        tensor: to be read in pieces.
        model_index: the model's place in :attr:`~components.merging.recipe.recipe.Recipe.models`.
        parameters: values by name of the parameters that each model has for itself.
        statistic: what data say of the tensor in this model; None where nothing was measured.
    """

    tensor: ReadableTensor
    model_index: int
    parameters: Mapping[str, Scalar | None]
    statistic: ReadableTensor | None = None

    def float_parameter(self, name: str) -> float:
        """Return the value of a numeric parameter; 0 where it has none."""
        return float(self.parameters[name] or 0.0)


class TensorTask(NamedTuple):
    """How one tensor of the output is made.

    Attributes:
        name: its name in the output.
        shape: its shape, and that of every input.
        inputs: in the recipe's order, without the base.
        base: the base model's tensor, where there is one.
        base_first: whether the recipe names the base before the other inputs.
        parameters: values by name of the parameters that all models share.
        dtype: the type in which inputs enter the arithmetic.
        out_dtype: the type that is stored.
        seed: of the methods that draw random numbers.
        device: where it is computed.
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
    device: torch.device = CPU

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def all_inputs(self) -> tuple[TensorInput, ...]:
        """The inputs and the base, which comes where the recipe names it, else last, as in mergekit."""
        if self.base is None:
            return self.inputs
        return (self.base, *self.inputs) if self.base_first else (*self.inputs, self.base)

    def spans(self, *, whole_rows: bool = False) -> Iterator[Span]:
        """Yield the pieces of the tensor, in order and without gaps.

        Args:
            whole_rows: whether a row that is longer than a piece stays whole.
        """
        total, longest = self.numel, PIECE_ELEMENTS * _factor(self.device)
        row = total // self.shape[0] if len(self.shape) > 1 and self.shape[0] else total
        whole = longest // row * row if row else 0
        step = whole or (row if whole_rows else longest)
        for start in range(0, total, max(step, 1)):
            yield start, min(start + step, total)

    def read(self, source: TensorInput, span: Span) -> Tensor:
        """Read a piece of an input: flat, of the type of the arithmetic, on the device."""
        piece = source.tensor.read(*span)
        if self.device.type == "cuda":  # from pinned memory, while the device computes
            piece = torch.empty(piece.shape, dtype=piece.dtype, pin_memory=True).copy_(piece)
        return piece.to(self.device, non_blocking=True).to(self.dtype)


class CachedPieces(Generic[P]):
    """Pieces to iterate over several times; those of small tensors are read once and kept.

    The pieces themselves are kept, not copies: only the last pass may overwrite them.

    Args:
        read: reads all pieces anew.
        size: bytes of all pieces together.
        device: where they are.
    """

    def __init__(self, read: Callable[[], Iterator[P]], size: int, device: torch.device = CPU) -> None:
        self._read = read
        self._cached: list[P] | None = [] if size <= CACHE_BYTES * _factor(device) else None

    def __iter__(self) -> Iterator[P]:
        if self._cached:
            yield from self._cached
            return
        for piece in self._read():
            if self._cached is not None:
                self._cached.append(piece)
            yield piece


def _factor(device: torch.device) -> int:
    return 1 if device.type == "cpu" else CARD_FACTOR
