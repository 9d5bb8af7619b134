"""Methods that weigh a model's change by what the other models did to the same element: SCE and RAM."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from components.merging.io.tensor_task import CachedPieces, TensorTask
from components.merging.methods.task_vectors.streaming_topk import MagnitudeTopK
from components.merging.methods.task_vectors.task_arithmetic import delta_pieces

Pieces = CachedPieces[tuple[Tensor, list[Tensor]]]
"""The base and the deltas of all models, in pieces."""


def sce(task: TensorTask) -> Iterator[Tensor]:
    """Select by variance, calculate weights by squares, erase by sign (Wan et al. 2024)."""
    share = float(task.parameters["select_topk"] or 0.0)
    pieces = delta_pieces(task)
    selection = None if share == 1 else _select_by_variance(pieces, share, task.dtype)
    squares = torch.zeros(len(task.inputs), dtype=torch.float64)
    for _, deltas in pieces:
        squares += (_selected(deltas, selection) ** 2).sum(1, dtype=torch.float64)
    if selection is not None:
        selection.rewind()
    weights = (squares / max(task.numel, 1)).to(task.dtype)
    total = float(weights.sum())
    weights = torch.full_like(weights, 1 / len(weights)) if abs(total) < 1e-6 else weights / total
    for base, deltas in pieces:
        stacked = _selected(deltas, selection)
        elected = stacked.sum(0).ge(0).to(task.dtype).mul_(2).sub_(1)
        agreeing = weights.unsqueeze(1) * (stacked.sign() == elected)
        yield base + (stacked * agreeing).sum(0) / agreeing.sum(0).clamp(min=1e-6)


def _selected(deltas: list[Tensor], selection: MagnitudeTopK | None) -> Tensor:
    """Return the deltas (models, elements), 0 where the variance is not among the largest."""
    stacked = torch.stack(deltas)
    return stacked if selection is None else stacked * selection.mask(_variance(stacked))


def _variance(stacked: Tensor) -> Tensor:
    return torch.var(stacked, dim=0, unbiased=False)


def _select_by_variance(pieces: Pieces, share: float, dtype: torch.dtype) -> MagnitudeTopK:
    """Return the share of the elements whose variance is not 0, those of the largest variance."""
    varied = sum(int(torch.count_nonzero(_variance(torch.stack(deltas)))) for _, deltas in pieces)
    rule = MagnitudeTopK(int(varied * share), dtype)
    for number in range(rule.passes):
        rule.begin_pass(number)
        for _, deltas in pieces:
            rule.measure(number, _variance(torch.stack(deltas)))
    rule.rewind()
    return rule


def ram(task: TensorTask) -> Iterator[Tensor]:
    """Add what one model changed as it is, and the mean of what several changed."""
    for base, deltas in delta_pieces(task):
        stacked, changed, count = _changes(task, deltas)
        yield base + _merge_changes(stacked * changed, count, 1.0)


def ramplus_tl(task: TensorTask) -> Iterator[Tensor]:
    """RAM that makes up for what a model loses by the means: its own changes grow with its shared ones."""
    pieces = delta_pieces(task)
    shared, own = (torch.zeros(len(task.inputs), dtype=torch.int64) for _ in range(2))
    for _, deltas in pieces:
        _, changed, count = _changes(task, deltas)
        shared += (changed & (count > 1)).sum(1)
        own += (changed & (count == 1)).sum(1)
    r, alpha, epsilon = (float(task.parameters[name] or 0.0) for name in ("r", "alpha", "epsilon"))
    ratio = shared / own.clamp(min=epsilon)
    factor = (1 + r * ratio.clamp(min=0, max=alpha)).unsqueeze(1)
    for base, deltas in pieces:
        stacked, changed, count = _changes(task, deltas)
        yield base + _merge_changes(stacked * changed, count, factor)


def _changes(task: TensorTask, deltas: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return deltas, where they are changes (models, elements), and how many models changed an element."""
    stacked = torch.stack(deltas)
    changed = stacked.abs() > float(task.parameters["epsilon"] or 0.0)
    return stacked, changed, changed.sum(0, keepdim=True)


def _merge_changes(changes: Tensor, count: Tensor, factor: Tensor | float) -> Tensor:
    own = changes * (count == 1) * factor
    return (own + changes * (count > 1) / count.clamp(min=1)).sum(0)
