"""Parallel map over tensors: one item per thread, instead of every operator split over all threads.

Splitting one operator over threads makes every thread wait for the slowest, some hundred times per window of
audio; on a machine that others use as well each of these waits is a slice of the scheduler. Whole items on
threads of their own wait once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Barrier, Lock
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")
_LOCK = Lock()


def map_in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return ``[function(item) for item in items]`` without gradients, on as many threads as torch may use.

    Args:
        function: is called once per item.
        items: in order.

    Returns:
        The results, in order.
    """

    def run(item: Item) -> Result:
        with torch.inference_mode():
            return function(item)

    threads = torch.get_num_threads()
    workers = min(threads, len(items))
    if workers < 2:
        return [run(item) for item in items]
    return list(get_executor(workers, threads // workers).map(run, items))


def get_executor(workers: int, share: int) -> ThreadPoolExecutor:
    """Return ``workers`` threads that stay, on each of which torch uses ``share`` threads."""
    with _LOCK:
        return _build_executor(workers, share, torch.get_num_threads())


@cache
def _build_executor(workers: int, share: int, threads: int) -> ThreadPoolExecutor:
    """``workers`` threads, on each of which torch uses ``share`` threads; elsewhere still ``threads``."""
    executor = ThreadPoolExecutor(workers, thread_name_prefix="antiphon")
    ready = Barrier(workers + 1)

    def set_threads() -> None:
        torch.get_num_threads()  # torch sets a thread's number at the first question: ask before it is set
        torch.set_num_threads(share)
        ready.wait()

    for _ in range(workers):
        executor.submit(set_threads)
    ready.wait()
    torch.set_num_threads(threads)  # what threads that are made later begin with
    return executor
