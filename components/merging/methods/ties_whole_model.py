"""TIES as published looks at whole models first: one trim per model, and the sign of the majority."""

from __future__ import annotations

from collections.abc import Sequence

from components.errors import MergeError
from components.merging.io.tensor_task import TensorTask
from components.merging.methods.sparsify import KeepAll, MaskSparsifier
from components.merging.methods.streaming_topk import MagnitudeTopK
from components.merging.methods.task_arithmetic import (
    GlobalStatistics,
    Sparsifier,
    begin_pass,
    delta_pieces,
    elect_signs,
    measure_piece,
    rewind,
)


def compute_global_statistics(jobs: Sequence[TensorTask]) -> GlobalStatistics:
    """Measure every model over all jobs. Needs several passes over the weights, and no memory.

    Raises:
        MergeError: weights or densities that the published method does not have.
    """
    sparsifiers = _make_sparsifiers(jobs)
    for number in range(max(c.passes for c in sparsifiers.values())):
        begin_pass(list(sparsifiers.values()), number)
        for job in jobs:
            task_sparsifiers = [sparsifiers[operand.model_index] for operand in job.inputs]
            for _, deltas in delta_pieces(job):
                measure_piece(task_sparsifiers, number, deltas)
    rewind(list(sparsifiers.values()))
    balance = 0.0
    for job in jobs:
        task_sparsifiers = [sparsifiers[operand.model_index] for operand in job.inputs]
        for _, deltas in delta_pieces(job):
            trimmed = [c.apply(delta).float() for c, delta in zip(task_sparsifiers, deltas, strict=True)]
            balance += float(elect_signs(trimmed, 0.0).sum())
    rewind(list(sparsifiers.values()))
    return GlobalStatistics(sparsifiers, (balance > 0) - (balance < 0))


def _make_sparsifiers(jobs: Sequence[TensorTask]) -> dict[int, Sparsifier]:
    """One trim per model, of the ``density`` largest of all its elements."""
    sparsifiers: dict[int, Sparsifier] = {}
    sizes: dict[int, int] = {}
    densities: dict[int, float] = {}
    types = {job.dtype for job in jobs}
    if len(types) > 1:
        raise MergeError("semantics: paper compares all tensors: set dtype, so that they are of one type")
    for job in jobs:
        for operand in job.inputs:
            if operand.float_parameter("weight") != 1.0:
                raise MergeError(
                    "semantics: paper has no weights: set every weight to 1 and lambda to the scale"
                )
            density = operand.float_parameter("density")
            if densities.setdefault(operand.model_index, density) != density:
                raise MergeError("semantics: paper trims whole models: give each one density for all tensors")
            sizes[operand.model_index] = sizes.get(operand.model_index, 0) + job.numel
    for model, size in sizes.items():
        keep = max(1, int(densities[model] * size))
        keeps_all = densities[model] >= 1.0
        sparsifiers[model] = (
            KeepAll() if keeps_all else MaskSparsifier(MagnitudeTopK(keep, types.copy().pop()), "none")
        )
    return sparsifiers
