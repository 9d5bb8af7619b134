"""Sums over the microbatches of a batch: the same bits whichever process has computed which of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from components.training.parallel.processes import Processes, explain_loss


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
