"""Means weighed by what data say of each model: RegMean (layer inputs) and Fisher (squared gradients).

The statistics are measured before the merge (:mod:`components.merging.statistics`). Tensors without any are
merged by the weighted mean.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from components.errors import MergeError
from components.merging.io.tensor_task import TensorTask
from components.merging.methods.averaging import arithmetic_dtype, read_wide, weighted_mean

RIDGE = 1e-12
"""Share of the mean diagonal that is added to it: inputs that are always 0 get the mean of the models, each
weighed by the power of its other inputs."""


def fisher(task: TensorTask) -> Iterator[Tensor]:
    """Yield ``sum(w_i F_i x_i) / sum(w_i F_i)``, per element (Matena & Raffel 2022)."""
    if any(source.statistic is None for source in task.all_inputs):
        yield from _mean(task)
        return
    for span in task.spans():
        total, divisor = (torch.zeros(span[1] - span[0], dtype=arithmetic_dtype(task)) for _ in range(2))
        for source in task.all_inputs:
            assert source.statistic is not None
            share = source.statistic.read(*span).mul_(source.float_parameter("weight"))
            total.addcmul_(share, read_wide(task, source, span))
            divisor.add_(share)
        yield total.div_(divisor)


def regmean(task: TensorTask) -> Iterator[Tensor]:
    """``sum(W_i G_i) inverse(sum(G_i))``, whose outputs are the nearest to all models' (Jin et al. 2023).

    G_i (inputs, inputs) is the mean outer product of the layer's inputs, its off-diagonal elements times
    ``reduce_non_diagonal_ratio``.
    """
    if any(source.statistic is None for source in task.all_inputs):
        yield from _mean(task)
        return
    whole = (0, task.numel)
    matrices = [task.read(source, whole).view(task.shape) for source in task.all_inputs]
    grams, ratio = [], float(task.parameters["reduce_non_diagonal_ratio"] or 0.0)
    for source in task.all_inputs:
        assert source.statistic is not None
        gram = source.statistic.read(0, task.shape[1] ** 2).view(task.shape[1], task.shape[1])
        grams.append(gram.double().mul_(source.float_parameter("weight")))
    yield regression_mean(matrices, grams, ratio).view(-1)


def regression_mean(matrices: list[Tensor], grams: list[Tensor], ratio: float) -> Tensor:
    """RegMean of matrices (outputs, inputs) by the products of their inputs (inputs, inputs), in float64."""
    total: Tensor | None = None
    product: Tensor | None = None
    for matrix, gram in zip(matrices, grams, strict=True):
        diagonal = gram.diagonal()
        reduced = gram * ratio + torch.diag(diagonal * (1 - ratio) + RIDGE * diagonal.mean() + 1e-30)
        part = matrix.double() @ reduced
        total = reduced if total is None else total + reduced
        product = part if product is None else product + part
    if total is None or product is None:
        raise MergeError("expected matrices to merge, found none")
    solution: Tensor = torch.linalg.solve(total, product, left=False)
    return solution


def _mean(task: TensorTask) -> Iterator[Tensor]:
    return weighted_mean(task, task.all_inputs, normalize=True)
