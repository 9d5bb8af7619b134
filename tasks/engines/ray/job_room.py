"""Which jobs of a run are at work at once: those for whose workers there is room, in the order they came."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tasks.engines.ray.pools import Demand, Machine, Pool, size_pools, size_pools_beside


class JobRoom:
    """What a cluster has, given to one job after the other.

    Args:
        list_machines: returns the machines that there are now.
    """

    def __init__(self, list_machines: Callable[[], Sequence[Machine]]) -> None:
        self._list_machines = list_machines
        self._changed = threading.Condition()
        self._waiting: list[object] = []
        self._taken: dict[object, Sequence[Pool]] = {}

    @contextmanager
    def take(self, demands: Mapping[str, Demand]) -> Iterator[Mapping[str, Pool]]:
        """Wait for room for the nodes of a job; the pools, which are given back at the end.

        Raises:
            ConfigError: what was set has no room on the machines.
        """
        job = object()
        with self._changed:
            self._waiting.append(job)
            try:
                while (pools := self._find(job, demands)) is None:
                    self._changed.wait()
            finally:
                self._waiting.remove(job)
                self._changed.notify_all()
            self._taken[job] = list(pools.values())
        try:
            yield pools
        finally:
            with self._changed:
                del self._taken[job]
                self._changed.notify_all()

    def _find(self, job: object, demands: Mapping[str, Demand]) -> Mapping[str, Pool] | None:
        """Return the pools of a job whose turn it is, if there is room for them."""
        if self._waiting[0] is not job:
            return None
        machines = self._list_machines()
        if not self._taken:
            return size_pools(demands, machines)
        return size_pools_beside(itertools.chain(*self._taken.values()), demands, machines)
