"""Continuous batches: what waits at a node, whosever request it is, is computed together.

Each lane (a device, or what needs none) has a thread, in which nodes have their turns. A batch waits for
requests that are on their way, as many as were there at once lately, but no longer than the greatest wait; a
client who is alone never waits.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sized
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from components.files.fault_reports import explain_faults
from components.serving.graph import ServedGraph, ServedNode
from components.serving.lane import Done, Lane, Work
from components.serving.measures import Measures
from components.serving.requests import GraphRequest

T = TypeVar("T")
_MEMORY_SECONDS = 2.0
"""How long it is remembered how many requests there were at once."""


class BatchLimits(NamedTuple):
    """How batches are made.

    Attributes:
        wait: seconds that one waits for further requests at most.
        items: of one at most.
        speech: seconds of recordings in one, beside the longest of them.
    """

    wait: float = 0.05
    items: int = 32
    speech: float = 1800.0


class Scheduler:
    """Computes the requests of a graph.

    Args:
        graph: the graph.
        limits: of its batches.
        measures: are told.
        threads: of torch, per lane.
    """

    def __init__(self, graph: ServedGraph, limits: BatchLimits, measures: Measures, threads: int = 1) -> None:
        self._limits, self._measures = limits, measures
        self._changed = threading.Condition()
        self._queues: dict[str, list[Work]] = {name: [] for name in graph.nodes}
        self._turns = dict.fromkeys(graph.nodes, 0.0)
        self._calls: dict[str, deque[tuple[Future[Any], Callable[[], Any]]]] = defaultdict(deque)
        self._active = set[GraphRequest]()
        self._crowd, self._crowd_time = 0, 0.0
        self._is_closed = False
        by_lane = defaultdict[str, list[ServedNode]](list)
        for served in sorted(graph.nodes.values(), key=lambda node: -node.depth):
            by_lane[served.lane].append(served)
        self._threads = [
            threading.Thread(
                target=self._run, args=(name, Lane(nodes, threads)), name=f"lane {name}", daemon=True
            )
            for name, nodes in by_lane.items()
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, request: GraphRequest) -> None:
        """Begin a request; it ends in a thread of the scheduler."""
        with self._changed:
            self._active.add(request)
            now = time.monotonic()
            if len(self._active) >= self._crowd or now - self._crowd_time > _MEMORY_SECONDS:
                self._crowd, self._crowd_time = len(self._active), now
        self._advance(request)

    def call(self, node: ServedNode, work: Callable[[], T]) -> Future[T]:
        """Let a node's lane do something between two batches; one that is cancelled in time is left out."""
        future: Future[T] = Future()

        def explained() -> T:
            with explain_faults(node.name):
                return work()

        with self._changed:
            if self._is_closed:
                future.cancel()
            self._calls[node.lane].append((future, explained))
            self._changed.notify_all()
        return future

    def forget(self, request: GraphRequest) -> None:
        """Let go of a request that has ended, or that nobody waits for."""
        with self._changed:
            self._active.discard(request)
            self._changed.notify_all()

    def queue_lengths(self) -> dict[str, int]:
        """Return how many items wait at each node."""
        with self._changed:
            return {name: len(queue) for name, queue in self._queues.items()}

    def close(self) -> None:
        """End the threads; what has not ended is left as it is, and calls are cancelled."""
        with self._changed:
            self._is_closed = True
            for future, _ in (call for calls in self._calls.values() for call in calls):
                future.cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(5)

    def _run(self, name: str, lane: Lane) -> None:
        calls = self._calls[name]
        while (batch := self._wait_for_batch(lane, calls)) is not None:
            for node, works in batch:
                if works:
                    self._measures.count_batch(node.name, len(works))
                for done in lane.compute(node, works):
                    self._note(node, done)
            if calls:
                _run_call(*calls.popleft())

    def _note(self, node: ServedNode, done: Done) -> None:
        request = done.work.request
        self._measures.count_item(node.name, done.outcome, done.seconds)
        if done.error is not None:
            request.end(done.error)
            return
        request.take(node.name, done.outcome, done.seconds)
        if not request.is_cancelled:
            self._advance(request)

    def _advance(self, request: GraphRequest) -> None:
        try:
            ready = list(request.advance())
        except Exception as error:
            request.end(error)
            return
        if ready:
            with self._changed:
                for served, item in ready:
                    self._queues[served.name].append(Work(request, item))
                self._changed.notify_all()

    def _wait_for_batch(self, lane: Lane, calls: Sized) -> list[tuple[ServedNode, list[Work]]] | None:
        """Wait for the next batch of a lane, a step of what is at work there, or a call; None at the end."""
        with self._changed:
            while not self._is_closed:
                now = time.monotonic()
                for node in lane.nodes:
                    queue = self._queues[node.name]
                    queue[:] = (work for work in queue if not work.request.is_cancelled)
                # The one that waited longest for its turn: a long recording at one holds up no other.
                for node in sorted(lane.nodes, key=lambda node: self._turns[node.name]):
                    at_work = lane.at_work(node)
                    if at_work or self._is_ripe(node, lane, now):
                        self._turns[node.name] = now
                        return [(node, self._take(self._queues[node.name], at_work))]
                if calls:
                    return []
                oldest = [queue[0].since for node in lane.nodes if (queue := self._queues[node.name])]
                wait = max(0.001, min(oldest) + self._limits.wait - now) if oldest else None
                self._changed.wait(wait)
        return None

    def _is_ripe(self, node: ServedNode, lane: Lane, now: float) -> bool:
        """Return whether a batch begins now: it is full, all are there that may come, or it waited enough."""
        queue, limits = self._queues[node.name], self._limits
        if not queue or lane.is_light or len(queue) >= limits.items or now - queue[0].since >= limits.wait:
            return bool(queue)
        here = {work.request for other in lane.nodes for work in self._queues[other.name]}
        coming = sum(request.is_before(node.name) for request in self._active - here)
        if not node.follows and now - self._crowd_time < _MEMORY_SECONDS:
            coming += max(0, min(self._crowd, limits.items) - len(self._active))
        return coming <= 0

    def _take(self, queue: list[Work], at_work: list[Work]) -> list[Work]:
        """Take the next batch out of a queue, in order; a recording that is too long beside others stays."""
        room, seconds = self._limits.items - len(at_work), [work.speech for work in at_work]
        taken: list[Work] = []
        for work in list(queue)[: max(0, room)]:
            if sum(seconds) + work.speech - max(*seconds, work.speech, 0) > self._limits.speech:
                continue
            seconds.append(work.speech)
            taken.append(work)
            queue.remove(work)
        return taken


def _run_call(future: Future[Any], work: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)
