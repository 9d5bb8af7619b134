"""Methods on task vectors (model - base): trim each, elect a sign, add up, put onto the base.

As in mergekit, deltas, weights and their products are rounded to the tensors' type; sums are in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io.tensor_task import CachedPieces, TensorInput, TensorTask
from components.merging.methods.sparsify import (
    DellaMagPrune,
    DropAll,
    KeepAll,
    MagnitudeOutliers,
    MaskRule,
    MaskSparsifier,
    RandomDrop,
    Rescale,
    seed_of,
)
from components.merging.methods.streaming_topk import MagnitudeTopK

Sparsification = Literal["none", "magnitude", "random", "outliers", "ranks"]
Semantics = Literal["mergekit", "paper", "peft"]


class Sparsifier(Protocol):
    """:class:`MaskSparsifier`, :class:`KeepAll` or :class:`DropAll`."""

    passes: int

    def begin_pass(self, number: int) -> None:
        """Measuring pass ``number`` begins."""

    def measure(self, number: int, piece: Tensor) -> None:
        """See a flat piece."""

    def rewind(self) -> None:
        """The pieces come a last time."""

    def apply(self, piece: Tensor) -> Tensor:
        """The trimmed piece."""


class DeltaFamily(NamedTuple):
    """A row's settings: how deltas are trimmed, and whether a sign is elected."""

    kind: Sparsification
    elects_sign: bool


class GlobalStatistics(NamedTuple):
    """What TIES as published knows of whole models: each one's trim, and the sign of the majority."""

    sparsifiers: Mapping[int, Sparsifier]
    majority_sign: float


def task_arithmetic(
    family: DeltaFamily, job: TensorTask, statistics: GlobalStatistics | None = None
) -> Iterator[Tensor]:
    """The merged tensor of one job, in pieces."""
    pieces = delta_pieces(job)
    if statistics is None:
        sparsifiers = [make_sparsifier(family, job, operand) for operand in job.inputs]
        for number in range(max((c.passes for c in sparsifiers), default=0)):
            begin_pass(sparsifiers, number)
            for _, deltas in pieces:
                measure_piece(sparsifiers, number, deltas)
        rewind(sparsifiers)
    else:
        sparsifiers = [statistics.sparsifiers[operand.model_index] for operand in job.inputs]
    weights = [operand.float_parameter("weight") for operand in job.inputs]
    for base, deltas in pieces:
        trimmed = [c.apply(delta) for c, delta in zip(sparsifiers, deltas, strict=True)]
        if family.elects_sign:
            merged = _sum_agreeing(
                job, weights, trimmed, None if statistics is None else statistics.majority_sign
            )
        else:
            merged = _sum_deltas(job, weights, trimmed)
        if job.parameters["lambda"] not in (None, 1.0):
            merged.mul_(float(job.parameters["lambda"] or 0.0))
        yield merged.add_(base)


def begin_pass(sparsifiers: Sequence[Sparsifier], number: int) -> None:
    """A measuring pass begins."""
    for sparsifier in sparsifiers:
        sparsifier.begin_pass(number)


def measure_piece(sparsifiers: Sequence[Sparsifier], number: int, deltas: Sequence[Tensor]) -> None:
    """One piece of every delta."""
    for sparsifier, delta in zip(sparsifiers, deltas, strict=True):
        sparsifier.measure(number, delta)


def rewind(sparsifiers: Sequence[Sparsifier]) -> None:
    """The pieces come to be trimmed."""
    for sparsifier in sparsifiers:
        sparsifier.rewind()


def make_sparsifier(family: DeltaFamily, job: TensorTask, operand: TensorInput) -> Sparsifier:
    """How one model's delta is trimmed. Raises :class:`MergeError` for densities that cannot be."""
    density = operand.float_parameter("density")
    if not 0.0 <= density <= 1.0:
        raise MergeError(f"{job.name}: expected a density from 0 to 1, found {density}")
    if family.kind == "none" or density == 1.0:
        return KeepAll()
    if density == 0.0 or job.numel == 0:
        return DropAll()
    return MaskSparsifier(_mask_rule(family.kind, job, operand), _rescale(family.kind, job), density)


def _rescale(kind: Sparsification, job: TensorTask) -> Rescale:
    if not job.parameters["rescale"]:
        return "none"
    published = job.parameters["semantics"] != "mergekit" and kind in {"random", "ranks"}
    return "probability" if published else "l1"


def _mask_rule(kind: Sparsification, job: TensorTask, operand: TensorInput) -> MaskRule:
    density, total = operand.float_parameter("density"), job.numel
    keep, seed = int(density * total), seed_of(job.seed, job.name, operand.model_index)
    if kind == "magnitude":
        return MagnitudeTopK(max(1, keep), job.dtype)
    if kind == "random":
        return RandomDrop(density, seed)
    if kind == "outliers":
        top = min(int(operand.float_parameter("gamma") * total), total - keep)
        return MagnitudeOutliers(keep, top, job.dtype)
    epsilon = operand.float_parameter("epsilon")
    if not (density - epsilon > 0 and density + epsilon < 1):
        raise MergeError(
            f"{job.name}: expected density ± epsilon between 0 and 1, found {density} ± {epsilon}"
        )
    row = (job.numel, 1) if len(job.shape) < 2 else (job.shape[1], math.prod(job.shape[2:]))
    return DellaMagPrune(density, epsilon, row, seed)


def _sum_deltas(job: TensorTask, weights: Sequence[float], deltas: Sequence[Tensor]) -> Tensor:
    """``sum(w_i d_i)``, divided by ``sum(w_i)`` where ``normalize``."""
    rounded = torch.tensor(weights, dtype=job.dtype)
    weighted = [delta.mul_(weight) for delta, weight in zip(deltas, rounded, strict=True)]
    if len(weighted) <= 2:  # torch adds two narrow numbers in float32 and rounds once as well
        mixed = weighted[0].add_(weighted[1]) if weighted[1:] else weighted[0]
    else:
        total = _upcast(weighted[0])
        for part in weighted[1:]:
            total.add_(_upcast(part))
        mixed = total.to(job.dtype)
    divisor = float(rounded.sum())
    return mixed.div_(divisor) if job.parameters["normalize"] and abs(divisor) >= 1e-8 else mixed


def _sum_agreeing(
    job: TensorTask, weights: Sequence[float], deltas: Sequence[Tensor], majority_sign: float | None
) -> Tensor:
    """Per element: the sign of the sum, then the sum of the deltas that have it, perhaps as a mean.

    mergekit: weighted deltas elect (0 elects +), the mean is over the agreeing weights. PEFT: unweighted
    deltas elect, the mean is over the number that agree. Paper: as PEFT, without weights, and 0 elects
    ``majority``.
    """
    counts = job.parameters["semantics"] != "mergekit"
    rounded = torch.tensor(weights, dtype=job.dtype)
    voters = [_upcast(d if counts else d.mul_(w)) for d, w in zip(deltas, rounded, strict=True)]
    sign = elect_signs(voters, majority_sign)
    mixed, divisor = torch.zeros_like(sign), torch.zeros_like(sign)
    for voter, weight in zip(voters, rounded.tolist(), strict=True):
        along = voter.mul_(sign).relu_()
        mixed.add_(along, alpha=weight if counts else 1.0)
        divisor.add_(along.gt_(0), alpha=1.0 if counts else weight)
    result = mixed.mul_(sign).to(job.dtype)
    if job.parameters["normalize"]:
        divisor = divisor.to(job.dtype)
        result.div_(divisor.add_(divisor.eq(0).to(job.dtype)))
    return result


def elect_signs(voters: Sequence[Tensor], majority_sign: float | None) -> Tensor:
    """The elected signs, -1 or 1: of the sum; where that is 0 the majority's, + if there is none."""
    total = voters[0].clone()
    for voter in voters[1:]:
        total.add_(voter)
    if majority_sign is None:
        return total.ge_(0).mul_(2).sub_(1)
    total.sign_()
    return total.add_(total.eq(0).to(total.dtype), alpha=majority_sign)


def _upcast(delta: Tensor) -> Tensor:
    """The type of sums: float32 at least, as torch sums a stack of narrower tensors and rounds once."""
    return delta if delta.dtype == torch.float64 else delta.float()


def delta_pieces(job: TensorTask) -> CachedPieces[tuple[Tensor, list[Tensor]]]:
    """(base, deltas) piece by piece, as often as needed."""

    def read() -> Iterator[tuple[Tensor, list[Tensor]]]:
        assert job.base is not None
        for span in job.spans(whole_rows=True):
            base = job.read(job.base, span)
            yield base, [job.read(operand, span).sub_(base) for operand in job.inputs]

    return CachedPieces(read, job.numel * job.dtype.itemsize * (len(job.inputs) + 1))
