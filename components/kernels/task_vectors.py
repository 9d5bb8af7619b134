"""Arithmetic on task vectors (model - base) in one pass over the weights, where the processor can.

The numbers are those of ``task_arithmetic``, which does the same by torch's
operators; callers ask :func:`fuses` first.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.kernels.llvm.native_code import ParallelCode, supports_native, threads_for
from components.kernels.llvm.task_vectors import (
    BINS,
    MergeShape,
    build_counter,
    build_magnitudes,
    build_mean,
    build_merge,
)

NOTHING = 1 << 31
"""A threshold above the pattern of every magnitude."""
MAX_MODELS = 8
"""So many deltas of 16 numbers are held in registers, with room for what is made of them."""
_DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
_OPERATIONS = 16
"""About so many are made for an element of a model."""
SelectionKind = Literal["all", "largest", "band", "bits"]


def fuses(dtype: torch.dtype, models: int) -> bool:
    """Return whether deltas of so many models in this type can be merged in one pass on this machine."""
    return dtype in _DTYPES and 0 < models <= MAX_MODELS and supports_native()


class Threshold(NamedTuple):
    """The elements of largest magnitude: all above a pattern of bits, and the first that are equal to it.

    Attributes:
        pattern: the bits of the smallest magnitude, as an integer.
        stop: elements before this index are selected where they are equal, from it on only above.
    """

    pattern: int
    stop: int


class Selection(NamedTuple):
    """What is kept of a piece of a delta.

    Attributes:
        low: magnitudes from here on are kept.
        high: magnitudes from here on are not.
        bits: one bit an element, the lowest of a byte first, an even number of bytes; where it is 1, the
            element is kept. None where magnitudes decide.
        scale: what the delta is multiplied by.
    """

    low: Threshold = Threshold(0, NOTHING)
    high: Threshold = Threshold(NOTHING, 0)
    bits: NDArray[np.uint8] | None = None
    scale: float = 1.0


class Delta(NamedTuple):
    """A flat piece of a model and of its base, of one type, whose difference is not stored."""

    model: Tensor
    base: Tensor

    def computed(self) -> Tensor:
        """Return the difference."""
        return self.model - self.base

    def count_magnitudes(self, counts: Tensor, shift: int, prefix: int) -> None:
        """Count the 16 bits above ``shift`` of the magnitudes whose bits above those are ``prefix``.

        Args:
            counts: is added to: :func:`empty_counts`.
            shift: 0 or 16.
            prefix: the bits above.
        """
        threads = min(_threads(self.base), counts.shape[0])
        code = _compile_counter(_DTYPES[self.base.dtype])
        addresses = self.base.data_ptr(), self.model.data_ptr(), counts.data_ptr()
        code(_numbers(*addresses, self.base.numel(), shift, prefix), threads)

    def magnitudes(self, kind: SelectionKind, selection: Selection) -> tuple[Tensor, Tensor]:
        """Return the elements' magnitudes, and the same with 0 for those not selected, in float32."""
        size = self.base.numel()
        before, after = torch.empty(size), torch.empty(size)
        addresses = self.base.data_ptr(), size, before.data_ptr(), after.data_ptr()
        numbers = _numbers(*addresses, *_model_numbers(self.model, selection, 0.0))
        _compile_magnitudes(_DTYPES[self.base.dtype], kind)(numbers, _threads(self.base))
        return before, after


class Sum(NamedTuple):
    """How selected deltas are added up.

    Attributes:
        weights: of the models, rounded to the tensors' type.
        kind: how deltas are selected.
        scaled: whether selections have scales.
        elects_sign: whether only those of the elected sign are added.
        divisor: what the sum is divided by; None for nothing. With elected signs it is the agreeing weights,
            whatever is given.
        factor: what the sum is multiplied by before the base is added.
    """

    weights: Sequence[float]
    kind: SelectionKind
    scaled: bool
    elects_sign: bool
    divisor: float | None
    factor: float


def merge_deltas(base: Tensor, models: Sequence[Tensor], selections: Sequence[Selection], how: Sum) -> Tensor:
    """Add the selected deltas of models to their base.

    Args:
        base: a piece of the base.
        models: the same piece of every model; the first is overwritten.
        selections: what is kept of each delta.
        how: how they are added up.

    Returns:
        The merged piece, in the memory of the first model's.
    """
    normalized, has_factor = how.divisor is not None, how.factor != 1.0
    dtype = _DTYPES[base.dtype]
    shape = MergeShape(dtype, len(models), how.kind, how.scaled, how.elects_sign, normalized, has_factor)
    addresses = base.data_ptr(), base.numel(), models[0].data_ptr()
    numbers = [*addresses, _bits_of(how.factor), _bits_of(how.divisor or 0.0)]
    for model, selection, weight in zip(models, selections, how.weights, strict=True):
        numbers += _model_numbers(model, selection, weight)
    _compile_merge(shape)(_numbers(*numbers), _threads(base, len(models)))
    return models[0]


def weighted_sum(models: Sequence[Tensor], weights: Sequence[float], divisor: float | None) -> Tensor:
    """Add up models in float32 and round once.

    Args:
        models: the same flat piece of every model; the first is overwritten.
        weights: a factor for each.
        divisor: what the sum is divided by; None for nothing.

    Returns:
        The sum, in the memory of the first model's piece.
    """
    out = models[0]
    numbers = [out.numel(), out.data_ptr(), _bits_of(divisor or 0.0)]
    for model, weight in zip(models, weights, strict=True):
        numbers += [model.data_ptr(), _bits_of(weight)]
    code = _compile_mean(_DTYPES[out.dtype], len(models), divisor is not None)
    code(_numbers(*numbers), _threads(out, len(models)))
    return out


def empty_counts() -> Tensor:
    """Return a histogram without counts for each thread, (threads, BINS + 1); the last bin is of no use."""
    return torch.zeros((torch.get_num_threads(), BINS + 1), dtype=torch.int64)


def _model_numbers(model: Tensor, selection: Selection, weight: float) -> list[int]:
    bits = 0 if selection.bits is None else selection.bits.ctypes.data
    bounds = (*selection.low, *selection.high)
    return [model.data_ptr(), bits, *bounds, _bits_of(selection.scale), _bits_of(weight)]


def _threads(piece: Tensor, models: int = 1) -> int:
    return threads_for(piece.numel() * models * _OPERATIONS)


def _bits_of(value: float) -> int:
    """Return the bits of the nearest float32."""
    return int(struct.unpack("<I", struct.pack("<f", value))[0])


def _numbers(*values: int) -> ctypes.Array[ctypes.c_int64]:
    kind: Any = ctypes.c_int64 * len(values)
    array: ctypes.Array[ctypes.c_int64] = kind(*values)
    return array


@cache
def _compile_merge(shape: MergeShape) -> ParallelCode:
    return ParallelCode(build_merge(shape), keeps_subnormals=True)


@cache
def _compile_counter(dtype: str) -> ParallelCode:
    return ParallelCode(build_counter(dtype), keeps_subnormals=True)


@cache
def _compile_magnitudes(dtype: str, selection: str) -> ParallelCode:
    return ParallelCode(build_magnitudes(dtype, selection), keeps_subnormals=True)


@cache
def _compile_mean(dtype: str, models: int, normalized: bool) -> ParallelCode:
    return ParallelCode(build_mean(dtype, models, normalized), keeps_subnormals=True)
