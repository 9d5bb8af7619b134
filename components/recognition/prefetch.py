"""What comes next, computed in threads while the present batch is on the device."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

import torch

from components.compute.machine import resolve_device_name
from components.compute.threads import get_executor

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_THREADS = 16
"""One card takes what so many threads decode: about 30 ms for 30 seconds of sound in each."""


def choose_threads(device: str) -> int:
    """Choose the threads that prepare audio for models on ``device``; 0, so none, on the CPU."""
    if resolve_device_name(device) == "cpu":
        return 0
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors, MAX_THREADS)


class Prefetched(Generic[Item, Result]):
    """``map(function, items)``, in order, of which a bounded amount is computed ahead in threads.

    An exception of ``function`` is raised where its result would have come.

    Args:
        function: is called once per item, in a thread without gradients that uses one processor.
        items: in order.
        threads: how many; 0: an item is computed when its result is asked for.
        size_of: of an item, in any unit.
        capacity: sizes of the items that are computed or wait to be taken sum to no more than this; one item
            may always be.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        threads: int,
        size_of: Callable[[Item], float],
        capacity: float,
    ) -> None:
        self._function, self._items = function, deque(items)
        self._size_of, self._capacity = size_of, capacity
        self._executor = get_executor(threads, 1) if threads else None
        self._pending: deque[tuple[float, Future[Result]]] = deque()
        self._refill()

    def __enter__(self) -> Prefetched[Item, Result]:
        return self

    def __exit__(self, *error: object) -> None:
        """Compute nothing more than what has begun."""
        self._items.clear()
        for _, future in self._pending:
            future.cancel()
        self._pending.clear()

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        if self._executor is None:
            if not self._items:
                raise StopIteration
            return self._function(self._items.popleft())
        if not self._pending:
            raise StopIteration
        try:
            return self._pending.popleft()[1].result()
        finally:
            self._refill()

    @property
    def is_ready(self) -> bool:
        """Whether the next result is there, so that asking for it does not wait."""
        return bool(self._pending) and self._pending[0][1].done()

    def _refill(self) -> None:
        while self._executor is not None and self._items:
            size = self._size_of(self._items[0])
            if self._pending and sum(waiting for waiting, _ in self._pending) + size > self._capacity:
                return
            self._pending.append((size, self._executor.submit(self._run, self._items.popleft())))

    def _run(self, item: Item) -> Result:
        with torch.inference_mode():
            return self._function(item)
