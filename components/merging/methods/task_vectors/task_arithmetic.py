"""Merging of task vectors (model - base): sparsify each, elect a sign, add up, add to the base.

As in mergekit, deltas, weights and their products are rounded to the tensors' type; sums are in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io.tensor_task import CachedPieces, TensorInput, TensorTask
from components.merging.methods.one_pass import MIN_DIVISOR, merge_in_one_pass, plan_one_pass
from components.merging.methods.task_vectors.mask_rules import (
    DellaMagPrune,
    MagnitudeOutliers,
    MaskRule,
    RandomDrop,
)
from components.merging.methods.task_vectors.sparsify import (
    DropAll,
    KeepAll,
    MaskSparsifier,
    Rescale,
    Sparsifier,
    seed_of,
)
from components.merging.methods.task_vectors.streaming_topk import MagnitudeTopK

Sparsification = Literal["none", "magnitude", "random", "magnitude_outliers", "della_magprune"]


class DeltaFamily(NamedTuple):
    """What tells the methods on task vectors apart.

    Attributes:
        sparsification: how each delta is sparsified.
        elects_sign: whether only deltas that agree with an elected sign are added.
    """

    sparsification: Sparsification
    elects_sign: bool


class GlobalStatistics(NamedTuple):
    """What TIES as published measures of whole models before it merges the first tensor.

    Attributes:
        sparsifiers: by the models' numbers; each has measured its whole model.
        majority_sign: -1, 0 or 1, the sign that most elements of the merged model elect.
    """

    sparsifiers: Mapping[int, Sparsifier]
    majority_sign: float


def task_arithmetic(
    family: DeltaFamily, task: TensorTask, statistics: GlobalStatistics | None = None
) -> Iterator[Tensor]:
    """Merge the deltas of one tensor and add them to the base.

    Args:
        family: the method.
        task: the tensor; its base is needed.
        statistics: for TIES as published; None where each tensor is sparsified for itself.

    Yields:
        The merged tensor in flat pieces, of the arithmetic's type.
    """
    pieces = delta_pieces(task)
    if statistics is None:
        sparsifiers = [make_sparsifier(family, task, source) for source in task.inputs]
        how = plan_one_pass(task, sparsifiers, elects_sign=family.elects_sign)
        if how is not None:
            yield from merge_in_one_pass(task, sparsifiers, how)
            return
        for number in range(max((sparsifier.passes for sparsifier in sparsifiers), default=0)):
            begin_pass(sparsifiers, number)
            for _, deltas in pieces:
                measure_deltas(sparsifiers, number, deltas)
        rewind(sparsifiers)
    else:
        sparsifiers = [statistics.sparsifiers[source.model_index] for source in task.inputs]
    weights = [source.float_parameter("weight") for source in task.inputs]
    majority_sign = None if statistics is None else statistics.majority_sign
    for base, deltas in pieces:
        sparse = apply_all(sparsifiers, deltas)
        if family.elects_sign:
            merged = _sum_agreeing(task, weights, sparse, majority_sign)
        else:
            merged = _sum_all(task, weights, sparse)
        if task.parameters["lambda"] not in (None, 1.0):
            merged.mul_(float(task.parameters["lambda"] or 0.0))
        yield merged.add_(base)


def begin_pass(sparsifiers: Sequence[Sparsifier], number: int) -> None:
    """Begin measuring pass ``number`` of all sparsifiers."""
    for sparsifier in sparsifiers:
        sparsifier.begin_pass(number)


def measure_deltas(sparsifiers: Sequence[Sparsifier], number: int, deltas: Sequence[Tensor]) -> None:
    """Measure one piece of every delta in pass ``number``."""
    for sparsifier, delta in zip(sparsifiers, deltas, strict=True):
        sparsifier.measure(number, delta)


def rewind(sparsifiers: Sequence[Sparsifier]) -> None:
    """Begin anew with the first piece, to sparsify all pieces in order."""
    for sparsifier in sparsifiers:
        sparsifier.rewind()


def apply_all(sparsifiers: Sequence[Sparsifier], deltas: Sequence[Tensor]) -> list[Tensor]:
    """Sparsify one piece of every delta."""
    return [sparsifier.apply(delta) for sparsifier, delta in zip(sparsifiers, deltas, strict=True)]


def check_spread(task: TensorTask) -> None:
    """Raise :class:`MergeError` where DELLA's probabilities of a model, density ± epsilon, are none."""
    for source in task.inputs:
        density, epsilon = source.float_parameter("density"), source.float_parameter("epsilon")
        if 0 < density < 1 and not (density - epsilon > 0 and density + epsilon < 1):
            raise MergeError(f"expected density ± epsilon between 0 and 1, found {density} ± {epsilon}")


def make_sparsifier(family: DeltaFamily, task: TensorTask, source: TensorInput) -> Sparsifier:
    """Make the sparsifier of one model's delta from the method and the model's parameters."""
    density, method = source.float_parameter("density"), family.sparsification
    if method == "none" or density == 1.0:
        return KeepAll()
    if density == 0.0 or task.numel == 0:
        return DropAll()
    return MaskSparsifier(_mask_rule(method, task, source), _rescale(method, task), density)


def _rescale(method: Sparsification, task: TensorTask) -> Rescale:
    if not task.parameters["rescale"]:
        return "none"
    published = task.parameters["semantics"] != "mergekit" and method in {"random", "della_magprune"}
    return "probability" if published else "l1"


def _mask_rule(method: Sparsification, task: TensorTask, source: TensorInput) -> MaskRule:
    density, total = source.float_parameter("density"), task.numel
    keep, seed = int(density * total), seed_of(task.seed, task.name, source.model_index)
    if method == "magnitude":
        return MagnitudeTopK(max(1, keep), task.dtype)
    if method == "random":
        return RandomDrop(density, seed)
    if method == "magnitude_outliers":
        outliers = min(int(source.float_parameter("gamma") * total), total - keep)
        return MagnitudeOutliers(keep, outliers, task.dtype)
    epsilon = source.float_parameter("epsilon")
    row = (task.numel, 1) if len(task.shape) < 2 else (task.shape[1], math.prod(task.shape[2:]))
    return DellaMagPrune(density, epsilon, row, seed)


def _sum_all(task: TensorTask, weights: Sequence[float], deltas: Sequence[Tensor]) -> Tensor:
    """Return ``sum(w_i d_i)``, divided by ``sum(w_i)`` where ``normalize``."""
    rounded = torch.tensor(weights, dtype=task.dtype)
    weighted = [delta.mul_(weight) for delta, weight in zip(deltas, rounded, strict=True)]
    if len(weighted) <= 2:  # torch adds two narrow numbers in float32 and rounds once as well
        merged = weighted[0].add_(weighted[1]) if weighted[1:] else weighted[0]
    else:
        total = _upcast(weighted[0])
        for part in weighted[1:]:
            total.add_(_upcast(part))
        merged = total.to(task.dtype)
    divisor = float(rounded.sum())
    return merged.div_(divisor) if task.parameters["normalize"] and abs(divisor) >= MIN_DIVISOR else merged


def _sum_agreeing(
    task: TensorTask, weights: Sequence[float], deltas: Sequence[Tensor], majority_sign: float | None
) -> Tensor:
    """Per element: elect the sign of the sum, then sum the deltas of that sign, or take their mean.

    mergekit: weighted deltas elect (0 elects +), the mean is over the agreeing weights. PEFT: unweighted
    deltas elect, the mean is over the number that agree. Paper: as PEFT, without weights, and 0 elects
    ``majority_sign``.
    """
    unweighted = task.parameters["semantics"] != "mergekit"
    rounded = torch.tensor(weights, dtype=task.dtype)
    voters = [d if unweighted else d.mul_(w) for d, w in zip(deltas, rounded, strict=True)]
    if len(voters) > 2:  # torch adds two narrow numbers in float32 and rounds once as well
        voters = [_upcast(voter) for voter in voters]
    sign = elect_signs(voters, majority_sign)
    normalize = bool(task.parameters["normalize"])
    total, divisor = torch.zeros_like(sign), torch.zeros_like(sign)
    for voter, weight in zip(voters, rounded.tolist(), strict=True):
        agreeing = voter.mul_(sign).relu_()
        total.add_(agreeing, alpha=weight if unweighted else 1.0)
        if normalize:
            divisor.add_(agreeing.gt_(0), alpha=1.0 if unweighted else weight)
    result = total.mul_(sign).to(task.dtype)
    if normalize:
        divisor = divisor.to(task.dtype)
        result.div_(divisor.add_(divisor.clone().eq_(0)))  # in place it is vectorised; into bool it is not
    return result


def elect_signs(voters: Sequence[Tensor], majority_sign: float | None) -> Tensor:
    """Elect a sign per element: that of the sum of all deltas.

    Args:
        voters: one piece of every delta.
        majority_sign: what 0 elects; None for +1.

    Returns:
        A tensor of -1 and 1 (of 0 too, where ``majority_sign`` is 0).
    """
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


def delta_pieces(task: TensorTask) -> CachedPieces[tuple[Tensor, list[Tensor]]]:
    """Return pieces of the base with the deltas of all models to it, to iterate over as often as needed."""

    def read() -> Iterator[tuple[Tensor, list[Tensor]]]:
        assert task.base is not None
        for span in task.spans(whole_rows=True):
            base = task.read(task.base, span)
            yield base, [task.read(source, span).sub_(base) for source in task.inputs]

    return CachedPieces(read, task.numel * task.dtype.itemsize * (len(task.inputs) + 1), task.device)
