"""Ray with a process for each card, which keeps its card and its models as long as the flow runs.

Ray gives a task that asks for a GPU any idle worker, and tells it by ``CUDA_VISIBLE_DEVICES`` which card is
free. But a process that has used CUDA stays on its first card, whatever that variable says later: tasks of
two cards would share one. A worker that ends after each task (Ray's default) would load its models each time.
An actor is one process on one card, for good.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from uuid import uuid4

import ray
from prefect.context import serialize_context
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.states import exception_to_crashed_state
from prefect.task_engine import run_task_sync
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect_ray.context import RemoteOptionsContext
from prefect_ray.task_runners import RayTaskRunner

_log = logging.getLogger("antiphon.runners")

Work = dict[str, Any]
"""What a task run is called with."""


class CardRayTaskRunner(RayTaskRunner[Any]):  # type: ignore[misc]
    """A Ray runner whose tasks that ask for a GPU are computed by one actor for each card.

    Other tasks are Ray's, as ever. An actor takes no CPU from them, so a stage on the CPU goes on beside it.
    """

    def __init__(
        self, address: str | None = None, init_kwargs: dict[str, Any] | None = None, max_cards: int = 1
    ) -> None:
        """Take settings.

        Args:
            address: of a running cluster; None: one is started.
            init_kwargs: for ``ray.init``.
            max_cards: cards that a flow takes at most.
        """
        super().__init__(address, init_kwargs)
        self._max_cards = max_cards
        self._cards: _Cards | None = None

    def __exit__(self, *error: Any) -> None:
        """End the actors, then as Ray's."""
        if self._cards is not None:
            self._cards.close()
            self._cards = None
        super().__exit__(*error)

    def duplicate(self) -> CardRayTaskRunner:
        """Return a new runner with the same settings."""
        return type(self)(self.address, self.init_kwargs, self._max_cards)

    def submit(
        self,
        task: Any,
        parameters: dict[str, Any],
        wait_for: Iterable[PrefectFuture[Any]] | None = None,
        dependencies: dict[str, set[Any]] | None = None,
    ) -> Any:
        """Submit a task; where ``remote_options`` ask for a GPU, its parameters are values, not futures."""
        if not RemoteOptionsContext.get().current_remote_options.get("num_gpus"):
            return super().submit(task, parameters, wait_for, dependencies)
        for future in wait_for or ():
            future.wait()
        if self._cards is None:
            self._cards = _Cards(self._max_cards)
        task_run_id = uuid4()
        work = {
            "task": task,
            "task_run_id": task_run_id,
            "parameters": parameters,
            "dependencies": dependencies,
            "context": serialize_context(),
            "return_type": "state",
        }
        return PrefectConcurrentFuture(task_run_id, self._cards.submit(work))


class _CardProcess:
    """A process on one card."""

    def start(self) -> None:
        """Nothing: when this returns, the process has its card."""

    def run(self, work: Work) -> Any:
        """Run a task; returns its final state."""
        return run_task_sync(**work)


class _Cards:
    """A queue of work, and for each card a thread that waits for its actor, which takes from the queue.

    A card that somebody else uses has an actor that waits; what is in the queue does not wait with it.

    Args:
        most: cards, at most.
    """

    def __init__(self, most: int) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Work] | None] = SimpleQueue()
        self._actors: dict[int, Any] = {}
        self._is_closed = False
        cards = int(ray.cluster_resources().get("GPU", 0))  # type: ignore[no-untyped-call]
        if not cards:
            _log.warning(
                "expected a node with a GPU in the Ray cluster, found none: what computes on CUDA waits for "
                "one; start a node with --num-gpus, or stop the run and set device: cpu"
            )
        for number in range(min(most, cards or most)):
            Thread(target=self._serve, args=(number,), name=f"card {number}", daemon=True).start()

    def submit(self, work: Work) -> Future[Any]:
        """Have a task run by the actor that is idle first."""
        future: Future[Any] = Future()
        self._queue.put((future, work))
        return future

    def close(self) -> None:
        """End the actors; what is still in the queue is cancelled."""
        self._is_closed = True
        with suppress(Empty):
            while item := self._queue.get_nowait():
                item[0].cancel()
        for actor in list(self._actors.values()):
            self._queue.put(None)
            ray.kill(actor)

    def _serve(self, number: int) -> None:
        process: Any = ray.remote(num_gpus=1, num_cpus=0)(_CardProcess)
        while not self._is_closed:
            actor = process.remote()
            self._actors[number] = actor
            try:
                ray.get(actor.start.remote())
                self._serve_by(actor)
            except ray.exceptions.RayError as error:  # the process has died
                if not self._is_closed:
                    _log.warning("a process on a card ended: %s; starting another", type(error).__name__)

    def _serve_by(self, actor: Any) -> None:
        while item := self._queue.get():
            future, work = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(ray.get(actor.run.remote(work)))
            except Exception as error:
                future.set_result(run_coro_as_sync(exception_to_crashed_state(error)))
                if isinstance(error, ray.exceptions.RayActorError):
                    raise
