"""The server without HTTP: who is let in, what is computed, and who is told of it."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol, TypeVar

from components.audio import Limits, probe
from components.audio.container import check_length
from components.errors import DataError, TransientError
from components.records import Audio, Utterance
from components.serving.graph import ServedGraph, ServedNode
from components.serving.http.faults import RequestError
from components.serving.http.uploads import Upload
from components.serving.measures import Measures
from components.serving.requests import GraphRequest
from components.serving.scheduler import BatchLimits, Scheduler
from components.serving.settings import ServeSettings

T = TypeVar("T")
_SPOOL = "antiphon-serve-"
_LOCK = "lock"
_log = logging.getLogger("antiphon.serving")


class Listener(Protocol):
    """Who is told of answered requests."""

    def take(self, request: GraphRequest) -> object:
        """Look at a request; its client waits meanwhile."""

    def close(self) -> object:
        """End."""


class Service:
    """A graph at work for many clients.

    Args:
        graph: the graph.
        settings: limits.
        threads: of torch.

    Attributes:
        listeners: are told of every request that was answered with a text, before its recording is removed.
        measures: what is counted.
        torch_threads: of a node that computes.
        spool: folder of uploads that are at work.
        is_draining: whether nothing new is let in.
    """

    def __init__(self, graph: ServedGraph, settings: ServeSettings, threads: int = 1) -> None:
        self.graph, self.settings = graph, settings
        self.measures = Measures()
        self.is_draining = False
        self.started = time.time()
        self.listeners: list[Listener] = []
        limits = BatchLimits(settings.max_wait, settings.max_batch, settings.max_seconds)
        self.torch_threads = threads
        self._scheduler = Scheduler(graph, limits, self.measures, threads)
        self.measures.watch_queues(self._scheduler.queue_lengths)
        self._admitted = 0
        self._mean_seconds = 1.0
        self.spool, self._lock = _make_spool()

    def warm_up(self, utterance: Utterance, seconds: float) -> None:
        """Compute an utterance of nobody, so that the first client does not wait for what loads late."""
        scheduler = Scheduler(self.graph, BatchLimits(), Measures(), self.torch_threads)
        ended = threading.Event()
        scheduler.submit(
            GraphRequest(self.graph, utterance, list(self.graph.outputs)[-1], lambda _: ended.set())
        )
        ended.wait(seconds)
        scheduler.close()

    def close(self) -> None:
        """End its threads and remove its uploads."""
        self._scheduler.close()
        for listener in self.listeners:
            listener.close()
        self._lock.close()
        shutil.rmtree(self.spool, ignore_errors=True)

    @property
    def is_idle(self) -> bool:
        """Whether no request is read or computed."""
        return self._admitted == 0

    def enter(self) -> None:
        """Let a request in; :meth:`leave` when it is answered.

        Raises:
            RequestError: there are too many, or the server is to end.
        """
        if self.is_draining:
            raise RequestError(503, "the server is about to end; ask another", "draining", retry_after=5)
        if self._admitted >= self.settings.queue:
            wait = max(1, round(self._mean_seconds))
            message = (
                f"expected at most {self.settings.queue} requests at once, found more; try again in {wait} s"
            )
            raise RequestError(429, message, "too_many_requests", retry_after=wait)
        self._admitted += 1
        self.measures.in_flight.set(self._admitted)

    def leave(self) -> None:
        """Let the next request in."""
        self._admitted -= 1
        self.measures.in_flight.set(self._admitted)

    def describe_audio(self, upload: Upload) -> Audio:
        """Return the record of an upload.

        Raises:
            RequestError: it is no recording within the limits.
        """
        if upload.path is None:
            raise RequestError(400, "file: expected a recording, found none", param="file")
        limits = Limits(seconds=self.settings.max_seconds, file_bytes=self.settings.max_megabytes * 10**6)
        try:
            found = probe(upload.path, limits)
            check_length(upload.path, found.seconds, found.sample_rate, found.channels, limits)
        except DataError as error:
            message = str(error).replace(str(upload.path), "file")
            raise RequestError(400, message, "unreadable_audio", param="file") from None
        path, rate = str(upload.path), found.sample_rate
        return Audio(path=path, sha256=upload.sha256, seconds=found.seconds, sample_rate=rate)

    def call(self, node: ServedNode, work: Callable[[], T]) -> T:
        """Return what a node's device computes between two batches; not to be called in the loop's thread.

        Raises:
            TimeoutError: it took too long.
        """
        future = self._scheduler.call(node, work)
        try:
            return future.result(self.settings.timeout)
        finally:
            future.cancel()

    async def compute(
        self, utterance: Utterance, output: str, on_text: Callable[[str], object] | None = None
    ) -> GraphRequest:
        """Return a request that has ended; meanwhile ``on_text`` is told how its text begins.

        Raises:
            RequestError: it took too long, or a node failed.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def end(request: GraphRequest) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_resolve, ended)

        tell = None if on_text is None else partial(_tell, loop, on_text)
        request = GraphRequest(self.graph, utterance, output, end, tell)
        self._scheduler.submit(request)
        try:
            async with asyncio.timeout(self.settings.timeout):
                await ended
        except TimeoutError:
            self._note_seconds(self.settings.timeout)
            message = f"expected an answer within {self.settings.timeout:g} s, found none"
            raise RequestError(504, message, "timeout") from None
        finally:
            request.cancel()
            self._scheduler.forget(request)
        self._note_seconds(request.elapsed)
        if isinstance(request.error, TransientError):
            raise RequestError(
                503, "a model elsewhere does not answer; try again", "unavailable", retry_after=5
            )
        if request.error is not None:
            raise RequestError(500, "a node of the graph failed; the server's log says why", "node_failed")
        if request.text is not None:
            self.measures.audio.inc(utterance.audio.seconds if utterance.audio is not None else 0)
            for listener in self.listeners:
                try:
                    listener.take(request)
                except OSError as error:  # no room for a copy of the recording: the client has its answer
                    _log.warning("a request is not kept: %s", error)
        return request

    def _note_seconds(self, seconds: float) -> None:
        """Let the wait that a full queue asks of clients follow what requests take."""
        self._mean_seconds += 0.1 * (seconds - self._mean_seconds)


def _tell(loop: asyncio.AbstractEventLoop, on_text: Callable[[str], object], begun: str) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits
        loop.call_soon_threadsafe(on_text, begun)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _make_spool() -> tuple[Path, IO[bytes]]:
    """Return a locked folder for uploads that its owner alone reads; those of killed servers are removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SPOOL}*"):
        with suppress(OSError), (folder / _LOCK).open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    while True:
        spool = Path(tempfile.mkdtemp(prefix=_SPOOL))
        lock = (spool / _LOCK).open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (spool / _LOCK).exists():  # else another server took it for a killed one's before it was locked
            return spool, lock
        lock.close()
