"""A batch in microbatches, whose gradients are summed: in turn, side by side in several processes, or both.

The number of microbatches is a setting; how many processes compute them is not: the sums, their order and so
their bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from components.training.parallel.ordered_sum import OrderedSum
from components.training.parallel.processes import Processes


def split_rows(rows: Sequence[int], lengths: Sequence[int], count: int) -> list[list[int]]:
    """Divide the examples of a batch into microbatches of about equally many tokens, in their order.

    Args:
        rows: indices of the batch's examples.
        lengths: tokens of every example of the training.
        count: of microbatches; where there are fewer examples, some are empty.
    """
    ends = np.cumsum([lengths[row] for row in rows])
    middles = ends - np.array([lengths[row] for row in rows]) / 2
    number_of = np.minimum(middles * count // ends[-1], count - 1).astype(int).tolist()
    return [[row for row, own in zip(rows, number_of, strict=True) if own == n] for n in range(count)]


def microbatch_seed(seed: int, step: int, number: int) -> int:
    """Return the seed of what one microbatch of one step draws (dropout), whoever computes it and when."""
    return int(np.random.SeedSequence((seed, step, number)).generate_state(1, np.uint64)[0] >> 1)


def backward(
    loss: Callable[[Sequence[int]], tuple[Tensor, int]],
    weights: Sequence[Tensor],
    microbatches: Sequence[Sequence[int]],
    seeds: Sequence[int],
    processes: Processes,
) -> tuple[Tensor, Tensor]:
    """Set the gradients of the mean loss per token of a batch.

    Args:
        loss: gives the mean loss of examples, and their tokens.
        weights: what is trained; without gradients.
        microbatches: the examples of each.
        seeds: of each microbatch.
        processes: compute the microbatches, one each at a time.

    Returns:
        The mean loss, and the number of tokens: float32 scalars on the weights' device, the same everywhere.

    Raises:
        ProcessLostError: another process has ended.
    """
    totals, count, size = torch.zeros(2, device=weights[0].device), len(microbatches), processes.size
    sums = OrderedSum(processes)
    for first in range(0, count, size):
        number = first + processes.rank
        if number < count and microbatches[number]:
            torch.manual_seed(seeds[number])
            mean, tokens = loss(microbatches[number])
            torch.autograd.backward(mean * tokens)
            mean = mean.detach().float()
            totals += torch.stack([mean * tokens, torch.full_like(mean, tokens)])
        if size > 1:
            sums.add([*_gradients(weights), totals], min(size, count - first))
            if first + size < count:
                totals.zero_()
                for weight in weights:
                    weight.grad = None
    if size > 1:
        *gradients, totals = sums.collect([*(weight.shape for weight in weights), totals.shape])
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
    for gradient in _gradients(weights):
        gradient.div_(totals[1])
    return totals[0] / totals[1], totals[1]


def _gradients(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients; those of weights that were not used, here at least, become zero."""
    for weight in weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    return [weight.grad for weight in weights if weight.grad is not None]
