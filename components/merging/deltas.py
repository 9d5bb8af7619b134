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
from components.merging.counting import Largest
from components.merging.operands import Job, Operand, Replay
from components.merging.trimming import (
    Band,
    Dropped,
    Nothing,
    Ranked,
    Rescale,
    Selector,
    Trim,
    Whole,
    seed_of,
)

Kind = Literal["none", "magnitude", "random", "outliers", "ranks"]
Semantics = Literal["mergekit", "paper", "peft"]


class Cut(Protocol):
    """:class:`Trim`, :class:`Whole` or :class:`Nothing`."""

    passes: int

    def begin(self, number: int) -> None:
        """Measuring pass ``number`` begins."""

    def measure(self, number: int, piece: Tensor) -> None:
        """See a flat piece."""

    def restart(self) -> None:
        """The pieces come a last time."""

    def apply(self, piece: Tensor) -> Tensor:
        """The trimmed piece."""


class Family(NamedTuple):
    """A row's settings: how deltas are trimmed, and whether a sign is elected."""

    kind: Kind
    elects: bool


class Survey(NamedTuple):
    """What TIES as published knows of whole models: each one's trim, and the sign of the majority."""

    cuts: Mapping[int, Cut]
    majority: float


def arithmetic(family: Family, job: Job, survey: Survey | None = None) -> Iterator[Tensor]:
    """The merged tensor of one job, in pieces."""
    pieces = pieces_of(job)
    if survey is None:
        cuts = [cut(family, job, operand) for operand in job.operands]
        for number in range(max((c.passes for c in cuts), default=0)):
            begin(cuts, number)
            for _, deltas in pieces:
                measure(cuts, number, deltas)
        restart(cuts)
    else:
        cuts = [survey.cuts[operand.model] for operand in job.operands]
    weights = [operand.number("weight") for operand in job.operands]
    for base, deltas in pieces:
        trimmed = [c.apply(delta) for c, delta in zip(cuts, deltas, strict=True)]
        if family.elects:
            mixed = _elected(job, weights, trimmed, None if survey is None else survey.majority)
        else:
            mixed = _added(job, weights, trimmed)
        if job.parameters["lambda"] not in (None, 1.0):
            mixed.mul_(float(job.parameters["lambda"] or 0.0))
        yield mixed.add_(base)


def begin(cuts: Sequence[Cut], number: int) -> None:
    """A measuring pass begins."""
    for each in cuts:
        each.begin(number)


def measure(cuts: Sequence[Cut], number: int, deltas: Sequence[Tensor]) -> None:
    """One piece of every delta."""
    for each, delta in zip(cuts, deltas, strict=True):
        each.measure(number, delta)


def restart(cuts: Sequence[Cut]) -> None:
    """The pieces come to be trimmed."""
    for each in cuts:
        each.restart()


def cut(family: Family, job: Job, operand: Operand) -> Cut:
    """How one model's delta is trimmed. Raises :class:`MergeError` for densities that cannot be."""
    density = operand.number("density")
    if not 0.0 <= density <= 1.0:
        raise MergeError(f"{job.name}: expected a density from 0 to 1, found {density}")
    if family.kind == "none" or density == 1.0:
        return Whole()
    if density == 0.0 or job.numel == 0:
        return Nothing()
    return Trim(_selector(family.kind, job, operand), _rescale(family.kind, job), density)


def _rescale(kind: Kind, job: Job) -> Rescale:
    if not job.parameters["rescale"]:
        return "none"
    published = job.parameters["semantics"] != "mergekit" and kind in {"random", "ranks"}
    return "probability" if published else "l1"


def _selector(kind: Kind, job: Job, operand: Operand) -> Selector:
    density, total = operand.number("density"), job.numel
    keep, seed = int(density * total), seed_of(job.seed, job.name, operand.model)
    if kind == "magnitude":
        return Largest(max(1, keep), job.dtype)
    if kind == "random":
        return Dropped(density, seed)
    if kind == "outliers":
        top = min(int(operand.number("gamma") * total), total - keep)
        return Band(keep, top, job.dtype)
    epsilon = operand.number("epsilon")
    if not (density - epsilon > 0 and density + epsilon < 1):
        raise MergeError(
            f"{job.name}: expected density ± epsilon between 0 and 1, found {density} ± {epsilon}"
        )
    row = (job.numel, 1) if len(job.shape) < 2 else (job.shape[1], math.prod(job.shape[2:]))
    return Ranked(density, epsilon, row, seed)


def _added(job: Job, weights: Sequence[float], deltas: Sequence[Tensor]) -> Tensor:
    """``sum(w_i d_i)``, divided by ``sum(w_i)`` where ``normalize``."""
    rounded = torch.tensor(weights, dtype=job.dtype)
    weighted = [delta.mul_(weight) for delta, weight in zip(deltas, rounded, strict=True)]
    if len(weighted) <= 2:  # torch adds two narrow numbers in float32 and rounds once as well
        mixed = weighted[0].add_(weighted[1]) if weighted[1:] else weighted[0]
    else:
        total = _wide(weighted[0])
        for part in weighted[1:]:
            total.add_(_wide(part))
        mixed = total.to(job.dtype)
    divisor = float(rounded.sum())
    return mixed.div_(divisor) if job.parameters["normalize"] and abs(divisor) >= 1e-8 else mixed


def _elected(job: Job, weights: Sequence[float], deltas: Sequence[Tensor], majority: float | None) -> Tensor:
    """Per element: the sign of the sum, then the sum of the deltas that have it, perhaps as a mean.

    mergekit: weighted deltas elect (0 elects +), the mean is over the agreeing weights. PEFT: unweighted
    deltas elect, the mean is over the number that agree. Paper: as PEFT, without weights, and 0 elects
    ``majority``.
    """
    counts = job.parameters["semantics"] != "mergekit"
    rounded = torch.tensor(weights, dtype=job.dtype)
    voters = [_wide(d if counts else d.mul_(w)) for d, w in zip(deltas, rounded, strict=True)]
    sign = signs(voters, majority)
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


def signs(voters: Sequence[Tensor], majority: float | None) -> Tensor:
    """The elected signs, -1 or 1: of the sum; where that is 0 the majority's, + if there is none."""
    total = voters[0].clone()
    for voter in voters[1:]:
        total.add_(voter)
    if majority is None:
        return total.ge_(0).mul_(2).sub_(1)
    total.sign_()
    return total.add_(total.eq(0).to(total.dtype), alpha=majority)


def _wide(delta: Tensor) -> Tensor:
    """The type of sums: float32 at least, as torch sums a stack of narrower tensors and rounds once."""
    return delta if delta.dtype == torch.float64 else delta.float()


def pieces_of(job: Job) -> Replay[tuple[Tensor, list[Tensor]]]:
    """(base, deltas) piece by piece, as often as needed."""

    def read() -> Iterator[tuple[Tensor, list[Tensor]]]:
        assert job.base is not None
        for span in job.spans(whole_rows=True):
            base = job.read(job.base, span)
            yield base, [job.read(operand, span).sub_(base) for operand in job.operands]

    return Replay(read, job.numel * job.dtype.itemsize * (len(job.operands) + 1))
