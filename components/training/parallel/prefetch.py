"""Batches that are made ready for a card while it computes the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

B = TypeVar("B", bound="TensorBatch")


class TensorBatch(Protocol):
    """A batch of tensors."""

    def map(self: B, change: Callable[[Tensor], Tensor]) -> B:
        """Return the batch with every tensor changed."""


class BatchLoader(Generic[B]):
    """Makes batches and brings them to a device; to a card those that it was told of, in a thread.

    Not torch's DataLoader: it pins in a thread only what worker processes have collated, and these would be
    forked beside Prefect's threads, with a copy of all examples.

    Args:
        collate: makes the batch of some examples on the CPU; draws nothing.
        device: where batches are computed. On CUDA batches that were told of wait in pinned memory, from
            which the copy goes on while the host launches what computes on it.
    """

    def __init__(self, collate: Callable[[Sequence[int]], B], device: torch.device) -> None:
        self._collate, self._device = collate, device
        self._thread: ThreadPoolExecutor | None = None
        self._coming: dict[tuple[int, ...], Future[B]] = {}

    def prefetch(self, rows: Sequence[int]) -> None:
        """Begin to make the batch of the examples ``rows``; on the CPU nothing is done ahead."""
        if self._device.type == "cuda" and rows:
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, "prefetch", torch.cuda.set_device, (self._device,))
            self._coming[tuple(rows)] = self._thread.submit(self._pin, tuple(rows))

    def load(self, rows: Sequence[int]) -> B:
        """Return the batch of the examples ``rows`` on the device."""
        coming = self._coming.pop(tuple(rows), None)
        batch = self._collate(rows) if coming is None else coming.result()
        return batch.map(lambda tensor: tensor.to(self._device, non_blocking=coming is not None))

    def close(self) -> None:
        """End the thread, and forget what it was told of; a later batch starts one again."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._thread = None
        self._coming.clear()

    def _pin(self, rows: Sequence[int]) -> B:
        return self._collate(rows).map(Tensor.pin_memory)


@runtime_checkable
class Prefetching(Protocol):
    """A learner whose batches come from a loader, which can be told of the next one."""

    @property
    def loader(self) -> BatchLoader[Any]:
        """The loader of the batches of ``loss``."""
