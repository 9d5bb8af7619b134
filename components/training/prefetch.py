"""Batches that are made ready for a card while it computes the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

B = TypeVar("B", bound="TensorBatch")


class TensorBatch(Protocol):
    """A batch of tensors."""

    def map(self: B, change: Callable[[Tensor], Tensor]) -> B:
        """Return the batch with every tensor changed."""
        ...


@runtime_checkable
class Prefetching(Protocol):
    """A learner that can be told which examples come next."""

    def prefetch(self, rows: Sequence[int]) -> None:
        """Begin to prepare the batch of the examples ``rows``, whose loss is asked for next."""
        ...


class BatchLoader(Generic[B]):
    """Makes batches and brings them to a device; to a card those that it was told of, in a thread.

    Args:
        collate: makes the batch of some examples on the CPU; draws nothing.
        device: where batches are computed. On CUDA batches that were told of wait in pinned memory, from
            which the copy goes on while the host launches what computes on it.
    """

    def __init__(self, collate: Callable[[Sequence[int]], B], device: torch.device) -> None:
        self._collate, self._device = collate, device
        self._thread = ThreadPoolExecutor(1, "prefetch") if device.type == "cuda" else None
        self._coming: dict[tuple[int, ...], Future[B]] = {}

    def prefetch(self, rows: Sequence[int]) -> None:
        """Begin to make the batch of the examples ``rows``; on the CPU nothing is done ahead."""
        if self._thread is not None and rows:
            self._coming[tuple(rows)] = self._thread.submit(self._pin, tuple(rows))

    def load(self, rows: Sequence[int]) -> B:
        """Return the batch of the examples ``rows`` on the device."""
        coming = self._coming.pop(tuple(rows), None)
        batch = self._collate(rows) if coming is None else coming.result()
        return batch.map(lambda tensor: tensor.to(self._device, non_blocking=coming is not None))

    def _pin(self, rows: Sequence[int]) -> B:
        return self._collate(rows).map(Tensor.pin_memory)
