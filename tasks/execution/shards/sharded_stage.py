"""The protocol of a stage that is made shard by shard: submitted through its lane, appended in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event
from typing import NamedTuple

from prefect.futures import PrefectFuture

from components.compute import progress
from components.nodes.node_context import Item
from components.storage.stages.stage_writer import StageWriter
from reports.terminal.node_progress import NodeProgress
from tasks import task_runners
from tasks.execution.run_coordinator import HaltedError, RunCoordinator
from tasks.execution.shards.shard_job import ShardJob, ShardResult, pack_items
from tasks.execution.shards.shard_task import compute_shard
from tasks.progress import Progress, ShardSize

_SUSPENSION_SECONDS = 24 * 3600.0
"""Seconds that a suspension waits for shards in flight."""


class InFlight(NamedTuple):
    """A shard that is being computed, or one with nothing to compute."""

    number: int
    inputs: str
    size: ShardSize
    future: PrefectFuture[ShardResult] | None
    finished: Event


class ShardWork(NamedTuple):
    """The shards of a node.

    Attributes:
        node: its name.
        lane: that they compute in.
        depth: how far downstream it is.
        make_job: makes their job.
        reads_speech: whether seconds of speech measure its speed.
    """

    node: str
    lane: str
    depth: int
    make_job: Callable[[], ShardJob]
    reads_speech: bool = False

    def size_of(self, items: Sequence[Item]) -> ShardSize:
        """Return the size of a shard."""
        recordings = [item.utterance.audio for item in items] if self.reads_speech else []
        return ShardSize(len(items), sum(audio.seconds for audio in recordings if audio is not None))


def rank(depth: int, number: int) -> tuple[int, int]:
    """Return the order in a lane: what is farthest downstream goes first, then what comes first."""
    return -depth, number


class ShardedStage:
    """Makes a stage shard by shard: a few in flight in its lane, appended in order; resumes and stops.

    Args:
        writer: of the stage.
        work: its shards.
        coordinator: of the nodes of the run.
        counts: of its items, for the progress.
    """

    def __init__(
        self, writer: StageWriter, work: ShardWork, coordinator: RunCoordinator, counts: NodeProgress
    ) -> None:
        self._writer = writer
        self._work = work
        self._coordinator = coordinator
        self._in_flight: deque[InFlight] = deque()
        self._job: ShardJob | None = None
        self._width = task_runners.max_in_flight()
        self._coordinator.open_lane(work.lane, self._width)
        self._progress = Progress(counts)

    def run(self, slices: Iterator[tuple[int, list[Item]]]) -> None:
        """Append every shard that is missing.

        Raises:
            HaltedError: the run is to stop.
        """
        try:
            for number, items in slices:
                payload, inputs = pack_items(items)
                if self._is_done(number, inputs):
                    self._progress.skip(len(items))
                    self._coordinator.advance(self._work.node, number + 1)
                    continue
                self._coordinator.check_halted()
                self._in_flight.append(self._submit(number, payload, inputs, items))
                if len(self._in_flight) >= self._width:
                    self._collect_next()
            while self._in_flight:
                self._collect_next()
        except HaltedError:
            self._collect_in_time()
            raise

    def _is_done(self, number: int, inputs: str) -> bool:
        """Return whether an earlier attempt left this shard, computed from the same inputs."""
        if number >= self._writer.shards_done:
            return False
        if self._writer.inputs_digest_of(number) != inputs:
            self._writer.discard_from(number)
            return False
        return True

    def _submit(self, number: int, payload: str, inputs: str, items: list[Item]) -> InFlight:
        finished, size = Event(), self._work.size_of(items)
        if not items:
            return InFlight(number, inputs, size, None, finished)
        if self._job is None:
            self._job = self._work.make_job()
        job, lane = self._job, self._work.lane
        self._coordinator.enter_lane(lane, rank(self._work.depth, number))
        try:
            within = partial(self._progress.show_share, number, size)
            with task_runners.request_gpu(job.device), progress.listen(within):
                journal = str(self._writer.journal_of(inputs))
                future = compute_shard.submit(self._work.node, number, job, payload, journal)
        except BaseException:
            self._coordinator.leave_lane(lane)
            raise

        def leave(_: PrefectFuture[ShardResult]) -> None:
            finished.set()
            self._coordinator.leave_lane(lane)

        future.add_done_callback(leave)
        return InFlight(number, inputs, size, future, finished)

    def _collect_next(self, seconds: float | None = None) -> None:
        """Append the oldest shard in flight.

        Raises:
            TimeoutError: it is not computed in time.
        """
        first = self._in_flight[0]
        shard = self._wait_for_result(first, seconds)
        in_flight, self._in_flight = (
            self._in_flight,
            deque(),
        )  # after an append that was broken off nothing follows
        self._writer.append(
            shard.outputs,
            shard.errors,
            seconds=shard.seconds,
            peak=shard.peak_memory_bytes,
            inputs=first.inputs,
            noted=shard.noted,
        )
        in_flight.popleft()
        self._in_flight = in_flight
        self._coordinator.advance(self._work.node, first.number + 1)
        self._progress.advance(first.number, first.size)
        # Prefect's future stands in a reference cycle, which is collected late: keep it light.
        shard.outputs.clear()
        shard.errors.clear()

    def _wait_for_result(self, shard: InFlight, seconds: float | None) -> ShardResult:
        if shard.future is None:
            return ShardResult([], [], 0.0, 0)
        if seconds is None:
            self._coordinator.wait(shard.finished.is_set)
        return shard.future.result(seconds)

    def _collect_in_time(self) -> None:
        """Collect what is computed in time, in order, after the run was told to stop."""
        try:
            while self._in_flight and (left := self._coordinator.seconds_left) > 0:
                self._collect_next(min(left, _SUSPENSION_SECONDS))
        except Exception:
            self._in_flight.clear()
