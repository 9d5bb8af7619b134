"""Coordination of a run's node threads: progress, finished stages, failures, stopping, lanes of devices."""

from __future__ import annotations

import heapq
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Condition
from typing import Literal

from components.errors import AntiphonError
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader

Status = Literal["planned", "computed", "reused", "skipped", "failed", "blocked"]
_POLL_SECONDS = 0.5
"""Seconds after which a waiting thread checks whether it is to stop, though nothing woke it."""


class HaltedError(Exception):
    """The run is to stop: nothing new is begun."""


class BlockedError(AntiphonError):
    """A node that this one reads has failed."""


class RunCoordinator:
    """The state of all nodes of one run, under one lock; every change wakes whoever waits.

    Args:
        duplicates: node -> the node whose stage is also its own.
    """

    def __init__(self, duplicates: Mapping[str, str] | None = None) -> None:
        self._duplicates = dict(duplicates or {})
        self._changed = Condition()
        self._shards: defaultdict[str, dict[int, ShardHeader]] = defaultdict(dict)
        self._refs: dict[str, StageRef | None] = {}
        self.status: dict[str, Status] = {}
        self.errors: dict[str, BaseException] = {}
        self.asking: frozenset[str] = frozenset()
        """The nodes that wait for a person's answers."""
        self.deadline: float | None = None
        self.is_halted = False
        """Whether the run is to stop."""
        self._busy: set[str] = set()
        """Lanes in which a shard is computed."""
        self._queues: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)

    # How far nodes are

    def advance(self, node: str, number: int, header: ShardHeader) -> None:
        """Note that a shard of a node is in the store."""
        with self._changed:
            self._shards[node][number] = header
            self._changed.notify_all()

    def finish(self, node: str, ref: StageRef | None, status: Status) -> None:
        """Note that a node has ended; ``ref`` is what its readers read, None if it gave nothing."""
        with self._changed:
            self._refs[node], self.status[node] = ref, status
            self._changed.notify_all()

    def fail(self, node: str, error: BaseException) -> None:
        """Note that a node has failed, cannot begin because another has, or was stopped with the run."""
        statuses: dict[type[BaseException], Status] = {BlockedError: "blocked", HaltedError: "planned"}
        with self._changed:
            self.status[node] = statuses.get(type(error), "failed")
            self.errors[node] = error
            self._changed.notify_all()

    @contextmanager
    def ask(self, node: str) -> Iterator[None]:
        """Note that a node waits for a person while the block runs."""
        with self._changed:
            self.asking |= {node}
        try:
            yield
        finally:
            with self._changed:
                self.asking -= {node}

    @property
    def moment(self) -> tuple[frozenset[str], int]:
        """Changes where nodes begin or end to wait for a person, and with every node that ends meanwhile."""
        return self.asking, len(self.status) if self.asking else 0

    def ref(self, node: str) -> StageRef | None:
        """Return what the readers of a finished node read."""
        return self._refs[self.original_of(node)]

    def is_finished(self, node: str) -> bool:
        """Return whether a node has ended well."""
        return self.original_of(node) in self._refs

    def has_ended(self, node: str) -> bool:
        """Return whether a node has ended, well or not."""
        return node in self.status

    def original_of(self, node: str) -> str:
        """Return the node whose stage is also this one's; itself where it has its own."""
        return self._duplicates.get(node, node)

    def wait_for_shard(self, node: str, number: int) -> ShardHeader | None:
        """Wait until shard ``number`` of a node can be read; None of a node that ended without any.

        Raises:
            BlockedError: the node failed.
            HaltedError: the run is to stop.
        """
        node = self.original_of(node)
        shards = self._shards[node]
        self._wait_for(node, lambda: number in shards or node in self._refs)
        return shards.get(number)

    def wait_for(self, node: str) -> StageRef | None:
        """Wait until a node is finished and return its stage; None if it gave nothing.

        Raises:
            BlockedError: the node failed.
            HaltedError: the run is to stop.
        """
        node = self.original_of(node)
        self._wait_for(node, lambda: node in self._refs)
        return self._refs[node]

    def _wait_for(self, node: str, ready: Callable[[], bool]) -> None:
        def decided() -> bool:
            return ready() or node in self.errors

        self.wait(decided)
        if not ready():
            raise BlockedError(f"expected the output of node {node}, which this node reads; that node failed")

    def wait(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready`` returns True.

        Raises:
            HaltedError: the run is to stop.
        """
        with self._changed:
            while not ready():
                self._raise_if_halted()
                self._changed.wait(_POLL_SECONDS)
            self._raise_if_halted()

    def wake(self) -> None:
        """Let those who wait look again at what they wait for."""
        with self._changed:
            self._changed.notify_all()

    def wait_seconds(self, seconds: float) -> None:
        """Wait so long; HaltedError where the run is to stop."""
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= until)

    # Stopping

    def halt(self, seconds: float | None = None) -> None:
        """Let nothing new begin; shards in flight may be finished within ``seconds`` (None: however long)."""
        with self._changed:
            self.is_halted = True
            self.deadline = None if seconds is None else time.monotonic() + seconds
            self._changed.notify_all()

    @property
    def seconds_left(self) -> float:
        """Seconds that shards in flight still have."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()

    def check_halted(self) -> None:
        """Raise HaltedError where the run is to stop."""
        with self._changed:
            self._raise_if_halted()

    def _raise_if_halted(self) -> None:
        if self.is_halted:
            raise HaltedError

    # Lanes

    @contextmanager
    def hold_lane(self, lane: str, rank: tuple[int, int]) -> Iterator[None]:
        """Compute alone in a lane while the block runs; of those who wait the lowest rank goes first.

        Raises:
            HaltedError: the run is to stop.
        """
        queue = self._queues[lane]
        with self._changed:
            heapq.heappush(queue, rank)
            try:
                while lane in self._busy or queue[0] != rank:
                    self._raise_if_halted()
                    self._changed.wait(_POLL_SECONDS)
                self._raise_if_halted()
                self._busy.add(lane)
            finally:
                queue.remove(rank)
                heapq.heapify(queue)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(lane)
                self._changed.notify_all()
