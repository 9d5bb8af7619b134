"""Methods on a base and one other model: NearSwap and Arcee Fusion, in the tensors' type as in mergekit."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from components.merging.io.tensor_task import CachedPieces, TensorTask
from components.merging.methods.order_statistics import OrderStatistics

_TINY = 1e-8


def nearswap(task: TensorTask) -> Iterator[Tensor]:
    """Move each weight of the base towards the other model's, the nearer it is the farther."""
    assert task.base is not None
    t = float(task.parameters["t"] or 0.0)
    for span in task.spans():
        base, other = task.read(task.base, span), task.read(task.inputs[0], span)
        share = (t / (base - other).abs_().clamp_(min=1e-6)).clamp_(min=0, max=1)
        yield share * other + (1 - share) * base


def arcee_fusion(task: TensorTask) -> Iterator[Tensor]:
    """Take the changes of the other model that stand out by size and by what they do to their row.

    The bound is exact; mergekit takes a random sample of tensors above a million elements.
    """
    pieces = CachedPieces(lambda: _important_changes(task), task.numel * task.dtype.itemsize * 3)
    last = task.numel - 1
    statistics = OrderStatistics([int(0.5 * last), int(0.25 * last), int(0.75 * last)], task.dtype)
    for number in range(statistics.passes):
        statistics.begin_pass(number)
        for _, _, importance in pieces:
            statistics.measure(number, importance)
    median, lower, upper = statistics.values()
    bound = median + 1.5 * (upper - lower)
    for base, delta, importance in pieces:
        yield base + delta * (importance >= bound).float()


def _important_changes(task: TensorTask) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the base, the change, and its importance, flat, in pieces of whole rows."""
    assert task.base is not None
    rows = (-1, task.shape[-1] if task.shape else 1)
    for span in task.spans(whole_rows=True):
        base, other = (task.read(source, span).view(rows) for source in (task.base, task.inputs[0]))
        p, q = torch.softmax(other, -1) + _TINY, torch.softmax(base, -1) + _TINY
        divergence = torch.sum(p * torch.log(p / q), dim=-1)
        delta = other - base
        importance = delta.abs() * divergence.unsqueeze(-1)
        yield base.view(-1), delta.view(-1), importance.view(-1)
