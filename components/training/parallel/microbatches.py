"""A batch in microbatches, whose gradients are summed: in turn, side by side in several processes, or both.

The number of microbatches is a setting; how many processes compute them is not: the sums, their order and so
their bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from components.training.parallel.processes import Processes, explain_loss


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


class OrderedSum:
    """Adds tensors of several processes in the order of the microbatches, as one process would.

    An all-reduce adds in an order that depends on the number of processes. Here each process adds one slice
    of all tensors: all-to-all brings it the others' values of the slice, all-gather hands the sums out. Where
    each has one microbatch, as much is sent as by a ring all-reduce: about twice the size of the tensors.

    Args:
        processes: that add; at least two.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._slice: Tensor | None = None

    def add(self, tensors: Sequence[Tensor], count: int) -> None:
        """Add tensors of the same shapes in every process.

        Args:
            tensors: of this process.
            count: processes, from the first, whose tensors count; the others have had no microbatch.

        Raises:
            ProcessLostError: another process has ended.
        """
        size = self._processes.size
        padding = -sum(tensor.numel() for tensor in tensors) % size
        flat = torch.cat([*(tensor.reshape(-1) for tensor in tensors), tensors[0].new_zeros(padding)])
        received = torch.empty_like(flat)
        with explain_loss(self._processes):
            dist.all_to_all_single(received, flat)
        for other in received.view(size, -1)[:count]:
            self._slice = other.clone() if self._slice is None else self._slice.add_(other)

    def collect(self, shapes: Sequence[torch.Size]) -> list[Tensor]:
        """Return the sums, in every process: views of one tensor.

        Args:
            shapes: of the tensors that were added.

        Raises:
            ProcessLostError: another process has ended.
        """
        assert self._slice is not None
        flat = self._slice.new_empty(self._processes.size * len(self._slice))
        with explain_loss(self._processes):
            dist.all_gather(list(flat.view(self._processes.size, -1)), self._slice)
        sizes = [shape.numel() for shape in shapes]
        sums = torch.split(flat[: sum(sizes)], sizes)
        return [total.view(shape) for total, shape in zip(sums, shapes, strict=True)]
