"""Data parallelism: a batch is divided into parts, whose gradients are summed.

The parts of a batch are a setting (``data_parallel_size``) and not a matter of who computes: processes side
by side, or one process part after part, with the same sums in the same order and so the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from components.training.processes import Processes


def split_rows(rows: Sequence[int], lengths: Sequence[int], parts: int) -> list[list[int]]:
    """Divide the examples of a batch into parts of about equally many tokens, in their order.

    Args:
        rows: indices of the batch's examples.
        lengths: tokens of every example of the training.
        parts: how many; where there are fewer examples, some stay empty.
    """
    ends = np.cumsum([lengths[row] for row in rows])
    middles = ends - np.array([lengths[row] for row in rows]) / 2
    part_of = np.minimum(middles * parts // ends[-1], parts - 1).astype(int).tolist()
    return [[row for row, own in zip(rows, part_of, strict=True) if own == part] for part in range(parts)]


def part_seed(seed: int, step: int, part: int) -> int:
    """Return the seed of what one part of one step draws (dropout), whoever computes it and when."""
    return int(np.random.SeedSequence((seed, step, part)).generate_state(1, np.uint64)[0] >> 1)


def backward_in_parts(
    loss: Callable[[Sequence[int]], tuple[Tensor, int]],
    weights: Sequence[Tensor],
    parts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    processes: Processes,
) -> tuple[Tensor, Tensor]:
    """Set the gradients of the mean loss per token of a batch that is divided into parts.

    Args:
        loss: gives the mean loss of examples, and their tokens.
        weights: what is trained; without gradients.
        parts: the examples of each part.
        seeds: of each part.
        processes: compute one part each, or this one computes all.

    Returns:
        The mean loss, and the number of tokens: float32 scalars on the weights' device, the same everywhere.
    """
    totals = torch.zeros(2, device=weights[0].device)
    for part in processes.parts(len(parts)):
        torch.manual_seed(seeds[part])
        if parts[part]:
            mean, count = loss(parts[part])
            torch.autograd.backward(mean * count)
            mean = mean.detach().float()
            totals += torch.stack([mean * count, torch.full_like(mean, count)])
    for weight in weights:
        if weight.grad is None:  # unused here, and perhaps used elsewhere
            weight.grad = torch.zeros_like(weight)
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    processes.sum_in_order([*gradients, totals])
    for gradient in gradients:
        gradient.div_(totals[1])
    return totals[0] / totals[1], totals[1]
