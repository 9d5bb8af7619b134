"""Ray's path in this process: the run, its segments and the workers of nodes, without Ray between them."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.engines import engine
from tasks.engines.ray import node_actor
from tasks.engines.ray.board import Board
from tasks.engines.ray.engine import RayEngine
from tasks.engines.ray.messages import Event, SegmentJob


class _Remote:
    """An object whose methods are called as those of an actor."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._target, name))


class DriverDouble:
    """In the place of :class:`.DriverProcess`: two workers a node take the rows in any order.

    Args:
        begin: called with every job before it begins.
    """

    is_started = True

    def __init__(self, begin: Callable[[SegmentJob], object] = lambda job: None) -> None:
        self._begin, self._boards = begin, list[Board]()

    def run(self, make: Callable[[int], Any], receive: Callable[[Event], None]) -> None:
        job, board = make(len(self._boards)), Board()
        self._boards.append(board)
        Thread(target=self._run, args=(job, board, receive), daemon=True).start()

    def _run(self, job: SegmentJob, board: Board, receive: Callable[[Event], None]) -> None:
        ended = Event(job.number, "ended")
        try:
            self._begin(job)
            numbers = random.Random(job.number)
            workers = [
                [node_actor.NodeActor(job.number, step, _Remote(board)) for _ in range(2)]
                for step in job.steps
            ]
            for row in numbers.sample(job.rows, len(job.rows)):
                batch: dict[str, Any] = {"row": [row]}
                for each in workers:
                    batch = numbers.choice(each)(batch)
                    for event in board.take()[0]:
                        receive(event)
        except Exception:
            ended = Event(job.number, "failed", message=traceback.format_exc())
        receive(ended)

    def halt(self) -> None:
        for board in self._boards:
            board.halt()


@contextmanager
def ray_double(begin: Callable[[SegmentJob], object] = lambda job: None) -> Iterator[None]:
    """Compute the shards of the block so."""
    pytest.importorskip("ray", reason="needs the extra ray")
    on_ray: Any = RayEngine()
    on_ray._driver = DriverDouble(begin)
    here = SimpleNamespace(get_node_id=lambda: "here")
    with pytest.MonkeyPatch.context() as patch:
        ray = SimpleNamespace(get=lambda value: value, get_runtime_context=lambda: here)
        patch.setattr(node_actor, "ray", ray)
        token = engine._ENGINE.set(on_ray)
        try:
            yield
        finally:
            engine._ENGINE.reset(token)
