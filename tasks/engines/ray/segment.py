"""A segment as its nodes' tasks see it: each joins with what it lacks, one job computes all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock

from components.compute.machine import resolve_device_type
from components.errors import AntiphonError, TransientError
from components.pipeline.advice.forecast import past_seconds
from components.pipeline.planning import NodePlan
from components.run_record import StageRef
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store
from tasks.engines.node_job import NodeJob
from tasks.engines.ray.driver_process import DriverProcess, error_of
from tasks.engines.ray.messages import Event, NodeStep, Row, SegmentJob
from tasks.engines.ray.pools import Demand
from tasks.engines.run_coordinator import HaltedError, RunCoordinator

_POLL_SECONDS = 0.5
"""Seconds after which a node's task looks whether the run is to stop."""


@dataclass(frozen=True)
class Part:
    """A node of a segment with what it has and lacks.

    Attributes:
        planned: the node.
        job: computes its shards; None where it lacks none.
        known: number -> header of a shard that is stored.
        missing: the shards that are to be computed -> what they read of nodes outside the segment's job, key
            and digest by node.
        stages: nodes that it reads, and were made in one piece.
        utterances: in the missing shards.
    """

    planned: NodePlan
    job: NodeJob | None
    known: Mapping[int, ShardHeader]
    missing: Mapping[int, Mapping[str, tuple[str, str]]]
    stages: Mapping[str, StageRef]
    utterances: int


class Segment:
    """Nodes whose missing shards one job computes, once each node has joined, or ended by itself.

    Args:
        members: the nodes, in the order of computing.
        data: keys of the shards of their data set.
        driver: Ray's.
        coordinator: of the run.
    """

    def __init__(
        self, members: Sequence[str], data: Sequence[str], driver: DriverProcess, coordinator: RunCoordinator
    ) -> None:
        self._members = tuple(members)
        self._data = data
        self._driver = driver
        self._coordinator = coordinator
        self._parts: dict[str, Part] = {}
        self._inboxes: dict[str, SimpleQueue[Event]] = {}
        self._lock = Lock()
        self._has_begun = False

    def wait_for_decision(self, names: Sequence[str]) -> list[Part]:
        """Wait until those of ``names`` in the segment have joined or ended; return those that joined."""
        members = [name for name in map(self._coordinator.original_of, names) if name in self._members]
        self._coordinator.wait(lambda: all(map(self._is_decided, members)))
        return [self._parts[name] for name in members if name in self._parts]

    def find_part(self, name: str) -> Part | None:
        """Return a node that has joined."""
        return self._parts.get(self._coordinator.original_of(name))

    def _is_decided(self, name: str) -> bool:
        return name in self._parts or self._coordinator.has_ended(name)

    def join(self, part: Part) -> Inbox:
        """Let a node's missing shards be computed with those of the others; return what is told of them."""
        name = part.planned.node.name
        with self._lock:
            inbox = self._inboxes[name] = SimpleQueue()
            self._parts[name] = part
        self._coordinator.wake()
        if part.missing:
            self._coordinator.wait(lambda: all(map(self._is_decided, self._members)))
            self._begin()
        return Inbox(inbox, self._driver, self._coordinator)

    def _begin(self) -> None:
        """Begin the job, unless another node has."""
        with self._lock:
            has_begun, self._has_begun = self._has_begun, True
        if not has_begun:
            try:
                self._driver.run(self._make_job, self._receive)
            except Exception as error:  # all wait for it
                name = type(error).__name__ if isinstance(error, AntiphonError) else ""
                self._receive(Event(-1, "failed", error=name, message=str(error)))

    def _make_job(self, number: int) -> SegmentJob:
        parts = [self._parts[name] for name in self._members if name in self._parts]
        return make_job(number, parts, self._data, self._coordinator)

    def _receive(self, event: Event) -> None:
        """Give an event to the node that it is of, or to all."""
        for name, inbox in self._inboxes.items():
            if event.node in ("", name):
                inbox.put(event)


class Inbox:
    """What is told of one node."""

    def __init__(
        self, events: SimpleQueue[Event], driver: DriverProcess, coordinator: RunCoordinator
    ) -> None:
        self._events, self._driver, self._coordinator = events, driver, coordinator
        self._has_halted = False

    def next_shard(self) -> Event | None:
        """Wait for the next shard; None at the end of the job.

        Raises:
            HaltedError: the run is to stop, and the time for shards in flight is over.
            Exception: the node or the job has failed.
        """
        while True:
            if self._coordinator.is_halted:
                self._halt()
            try:
                event = self._events.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if event.sort == "shard":
                return event
            if event.sort == "ended":
                return None
            if event.sort in ("failed", "lost"):
                raise error_of(event)

    def _halt(self) -> None:
        if not self._has_halted:
            self._has_halted = True
            self._driver.halt()
        if self._coordinator.seconds_left <= 0:
            raise HaltedError


def make_job(
    number: int, parts: Sequence[Part], data: Sequence[str], coordinator: RunCoordinator
) -> SegmentJob:
    """Return the job that computes what the nodes of a segment lack.

    Args:
        number: of the job.
        parts: the nodes, in the order of computing.
        data: keys of the shards of their data set.
        coordinator: of the run.
    """
    lacking = [part for part in parts if part.missing]
    seconds = past_seconds([part.planned for part in lacking], Store(lacking[0].planned.context.store))
    steps = [_make_step(part, coordinator, seconds.get(part.planned.node.name)) for part in lacking]
    numbers = sorted({shard for part in lacking for shard in part.missing})
    rows = [_make_row(shard, data[shard], parts).encode() for shard in numbers]
    return SegmentJob(number, steps, rows)


def _make_step(part: Part, coordinator: RunCoordinator, past: float | None) -> NodeStep:
    """Return what computes a node; ``past``: seconds that an utterance took before."""
    assert part.job is not None
    node = part.planned.node
    seconds = None if past is None else past * part.utterances
    return NodeStep(
        name=node.name,
        job=part.job,
        reads=dict(node.reads),
        originals={name: coordinator.original_of(name) for name in node.reads.values()},
        stages=part.stages,
        demand=replace(demand_of(part.planned, part.job.threads), shards=len(part.missing), seconds=seconds),
        folder=str(Path.cwd()),
    )


def _make_row(number: int, data: str, parts: Sequence[Part]) -> Row:
    row = Row(number, data)
    for part in parts:
        name = part.planned.node.name
        if number in part.known:
            header = part.known[number]
            row.done[name] = [header.key, header.sha256]
        elif number in part.missing:
            row.keys[name], row.alike[name], read = part.planned.work_of(number)
            row.read[name] = dict(read) if part.planned.is_exact(number) else None
            row.done |= {read: list(source) for read, source in part.missing[number].items()}
    return row


def demand_of(planned: NodePlan, threads: int) -> Demand:
    """Return what a worker of a node needs: what the user has set, else a card where it computes on one."""
    node, resources = planned.node, planned.node.resources
    uses_torch = "torch" in planned.stage.libraries and node.facts.device is not None
    on_card = uses_torch and resolve_device_type(node.facts.device or "cpu") == "cuda"
    gpus = float(on_card) if resources.gpus is None else resources.gpus
    cpus = float(threads if uses_torch and not on_card else 1) if resources.cpus is None else resources.cpus
    return Demand(
        gpus=gpus,
        cpus=cpus,
        fixed_gpus=resources.gpus is not None,
        fixed_cpus=resources.cpus is not None,
        replicas=None if resources.replicas == "auto" else resources.replicas,
    )


def check_complete(node: str, missing: int) -> None:
    """Raise TransientError where shards are missing at the end of a job."""
    if missing:
        raise TransientError(
            f"{node}: expected all its shards at the end of the job, found {missing} missing; run it again"
        )
