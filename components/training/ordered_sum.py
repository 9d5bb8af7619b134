"""Sums over the microbatches of a batch: the same bits whichever process has computed which of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from components.training.processes import Processes, explain_loss


class OrderedSum:
    """Adds tensors of several processes in the order of the microbatches, as one process would.

    An all-reduce adds in an order that depends on the number of processes. Here each process adds one slice
    of all tensors: all-to-all brings it the others' part of the slice, all-gather hands the sums out. For one
    tensor of each process as much is sent as by a ring all-reduce, about twice its size.

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
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        flat = torch.nn.functional.pad(flat, (0, -len(flat) % size))
        received = torch.empty_like(flat)
        with explain_loss(self._processes):
            dist.all_to_all_single(received, flat)
        for other in received.view(size, -1)[:count]:
            self._slice = other.clone() if self._slice is None else self._slice.add_(other)

    def write_to(self, tensors: Sequence[Tensor]) -> None:
        """Set tensors of the shapes that were added to the sums, in every process.

        Raises:
            ProcessLostError: another process has ended.
        """
        assert self._slice is not None
        slices = [torch.empty_like(self._slice) for _ in range(self._processes.size)]
        with explain_loss(self._processes):
            dist.all_gather(slices, self._slice)
        sizes = [tensor.numel() for tensor in tensors]
        for tensor, total in zip(tensors, torch.cat(slices)[: sum(sizes)].split(sizes), strict=True):
            tensor.copy_(total.view_as(tensor))
