"""The protocol of a stage that is made shard by shard: submitted through its lane, appended in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from threading import Event
from typing import NamedTuple

from prefect.futures import PrefectFuture

from components.nodes.kind import Item
from components.storage.stage_writer import Writer
from tasks import runners
from tasks.board import Board, HaltedError
from tasks.job import Job, Shard, pack
from tasks.progress import Progress
from tasks.shard_task import compute_shard

_LONG = 24 * 3600.0
"""Seconds that a suspension waits for a shard at work."""


class InFlight(NamedTuple):
    """A shard that is being computed, or one with nothing to compute."""

    number: int
    inputs: str
    future: PrefectFuture[Shard] | None
    done: Event


class ShardWork(NamedTuple):
    """Whose shards they are, in which lane, how far downstream, and what computes them."""

    node: str
    lane: str
    depth: int
    job: Callable[[], Job]


def rank(depth: int, number: int) -> tuple[int, int]:
    """Who goes first in a lane: what is farthest downstream, then what comes first."""
    return -depth, number


class ShardedStage:
    """Makes a stage shard by shard: a few in flight in its lane, appended in order; resumes and stops."""

    def __init__(self, writer: Writer, work: ShardWork, board: Board, total: int) -> None:
        """``total``: items at most, for the progress."""
        self._writer = writer
        self._work = work
        self._board = board
        self._flying: deque[InFlight] = deque()
        self._job: Job | None = None
        self._width = runners.ahead()
        self._board.open_lane(work.lane, self._width)
        self._progress = Progress(work.node, total)

    def run(self, slices: Iterator[tuple[int, list[Item]]]) -> None:
        """Append every shard that is not there yet. Raises HaltedError where the run is to stop."""
        try:
            for number, items in slices:
                payload, inputs = pack(items)
                if self._is_done(number, inputs):
                    self._progress.skip(len(items))
                    self._board.advance(self._work.node, number + 1)
                    continue
                self._board.check()
                self._flying.append(self._submit(number, payload, inputs, items))
                if len(self._flying) >= self._width:
                    self._land()
            while self._flying:
                self._land()
        except HaltedError:
            self._land_in_time()
            raise

    def _is_done(self, number: int, inputs: str) -> bool:
        """Whether an earlier attempt left this shard, computed from the same."""
        if number >= self._writer.shards_done:
            return False
        if self._writer.inputs_of(number) != inputs:
            self._writer.cut(number)
            return False
        return True

    def _submit(self, number: int, payload: str, inputs: str, items: list[Item]) -> InFlight:
        done = Event()
        if not items:
            return InFlight(number, inputs, None, done)
        if self._job is None:
            self._job = self._work.job()
        job, lane = self._job, self._work.lane
        self._board.enter(lane, rank(self._work.depth, number))
        try:
            with runners.placed(job.device):
                future = compute_shard.submit(self._work.node, number, job, payload)
        except BaseException:
            self._board.leave(lane)
            raise

        def leave(_: PrefectFuture[Shard]) -> None:
            done.set()
            self._board.leave(lane)

        future.add_done_callback(leave)
        return InFlight(number, inputs, future, done)

    def _land(self, seconds: float | None = None) -> None:
        """Append the oldest shard in flight. TimeoutError where it is not computed in time."""
        first = self._flying[0]
        shard = self._result(first, seconds)
        flying, self._flying = self._flying, deque()  # after an append that was broken off nothing follows
        self._writer.append(
            shard.outputs,
            shard.errors,
            seconds=shard.seconds,
            peak=shard.peak_memory_bytes,
            inputs=first.inputs,
        )
        flying.popleft()
        self._flying = flying
        self._board.advance(self._work.node, first.number + 1)
        self._progress.advance(len(shard.outputs) + len(shard.errors))
        # Prefect's future stands in a reference cycle, which is collected late: keep it light.
        shard.outputs.clear()
        shard.errors.clear()

    def _result(self, shard: InFlight, seconds: float | None) -> Shard:
        if shard.future is None:
            return Shard([], [], 0.0, 0)
        if seconds is None:
            self._board.wait(shard.done.is_set)
        return shard.future.result(seconds)

    def _land_in_time(self) -> None:
        """After the run was told to stop: what is computed in time is kept, in order."""
        try:
            while self._flying and (left := self._board.seconds_left) > 0:
                self._land(min(left, _LONG))
        except Exception:
            self._flying.clear()
