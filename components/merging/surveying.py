"""TIES as published looks at whole models first: one trim per model, and the sign of the majority."""

from __future__ import annotations

from collections.abc import Sequence

from components.errors import MergeError
from components.merging.counting import Largest
from components.merging.deltas import Cut, Survey, begin, measure, pieces_of, restart, signs
from components.merging.operands import Job
from components.merging.trimming import Trim, Whole


def survey(jobs: Sequence[Job]) -> Survey:
    """Measure every model over all jobs. Needs several passes over the weights, and no memory.

    Raises:
        MergeError: weights or densities that the published method does not have.
    """
    cuts = _cuts(jobs)
    for number in range(max(c.passes for c in cuts.values())):
        begin(list(cuts.values()), number)
        for job in jobs:
            mine = [cuts[operand.model] for operand in job.operands]
            for _, deltas in pieces_of(job):
                measure(mine, number, deltas)
    restart(list(cuts.values()))
    balance = 0.0
    for job in jobs:
        mine = [cuts[operand.model] for operand in job.operands]
        for _, deltas in pieces_of(job):
            trimmed = [c.apply(delta).float() for c, delta in zip(mine, deltas, strict=True)]
            balance += float(signs(trimmed, 0.0).sum())
    restart(list(cuts.values()))
    return Survey(cuts, (balance > 0) - (balance < 0))


def _cuts(jobs: Sequence[Job]) -> dict[int, Cut]:
    """One trim per model, of the ``density`` largest of all its elements."""
    cuts: dict[int, Cut] = {}
    sizes: dict[int, int] = {}
    densities: dict[int, float] = {}
    types = {job.dtype for job in jobs}
    if len(types) > 1:
        raise MergeError("semantics: paper compares all tensors: set dtype, so that they are of one type")
    for job in jobs:
        for operand in job.operands:
            if operand.number("weight") != 1.0:
                raise MergeError(
                    "semantics: paper has no weights: set every weight to 1 and lambda to the scale"
                )
            density = operand.number("density")
            if densities.setdefault(operand.model, density) != density:
                raise MergeError("semantics: paper trims whole models: give each one density for all tensors")
            sizes[operand.model] = sizes.get(operand.model, 0) + job.numel
    for model, size in sizes.items():
        keep = max(1, int(densities[model] * size))
        whole = densities[model] >= 1.0
        cuts[model] = Whole() if whole else Trim(Largest(keep, types.copy().pop()), "none")
    return cuts
