"""Keeping a share of requests, or the doubtful ones, beside the answers: no client waits for it."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.files.files import utc_now
from components.serving.graph import ServedGraph
from components.serving.http.answers import describe_nodes
from components.serving.kept_data import KeptRequests, borrow_recording
from components.serving.measures import Measures
from components.serving.requests import GraphRequest
from components.serving.settings import ServeSettings

_MOST_WAITING = 256
"""Requests that wait to be written; with more, a disk is too slow, and further ones are not kept."""
_TIDY_SECONDS = 300.0
_TIDY_SHARE = 0.05
"""Of the greatest size: what is written until it is looked again what must go."""
_log = logging.getLogger("antiphon.serving")


class Keeper:
    """Writes requests in a thread of its own, and removes what was kept for long enough, whoever wrote it.

    Args:
        kept: where.
        settings: which, none perhaps, and for how long.
        graph: that is served.
        measures: are told.

    Raises:
        ConfigError: the route that decides is none of the graph.
    """

    def __init__(
        self, kept: KeptRequests, settings: ServeSettings, graph: ServedGraph, measures: Measures
    ) -> None:
        self._kept, self._settings, self._measures = kept, settings, measures
        self._share = settings.share
        self._way = None
        if settings.keep is not None and self._share is None:
            self._way = tuple(settings.keep.split("."))
            _check_way(graph, *self._way)
        self._waiting: queue.Queue[tuple[dict[str, Any], Path | None] | None] = queue.Queue(_MOST_WAITING)
        self._random = random.Random()  # noqa: S311 - which requests are kept is no secret
        self._tidied: float | None = None
        self._written, self._is_full = 0, False
        self._thread = threading.Thread(target=self._write_all, name="kept requests", daemon=True)
        self._thread.start()

    def take(self, request: GraphRequest) -> None:
        """Keep a request that was answered, if it is one of those."""
        if not self._is_wanted(request) or self._waiting.full():
            return
        audio = request.utterance.audio
        recording = None
        if audio is not None:  # the upload goes when its client has the answer
            recording = borrow_recording(audio, "kept")
        self._waiting.put_nowait((_row_of(request), recording))

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(30)

    def _is_wanted(self, request: GraphRequest) -> bool:
        if self._way is not None:
            return request.ways.get(self._way[0]) == self._way[1]
        return self._random.random() < float(self._share or 0)

    def _write_all(self) -> None:
        while True:
            self._tidy()
            try:
                taken = self._waiting.get(timeout=_TIDY_SECONDS)
            except queue.Empty:
                continue
            if taken is None:
                return
            self._write(*taken)

    def _write(self, row: dict[str, Any], recording: Path | None) -> None:
        try:
            if not self._is_full:
                self._written += self._kept.add(row, recording)
                self._measures.kept.inc()
        except OSError as error:
            _log.warning("a request is not kept: %s", error)
        finally:
            if recording is not None:
                with suppress(OSError):
                    recording.unlink()

    def _tidy(self) -> None:
        """Remove what must go, where it is time to look or much was written; nobody need ask meanwhile."""
        size, now = self._settings.keep_megabytes * 10**6, time.monotonic()
        is_due = self._tidied is None or now - self._tidied >= _TIDY_SECONDS
        if not is_due and self._written <= size * _TIDY_SHARE:
            return
        self._tidied, self._written, was_full = now, 0, self._is_full
        try:
            self._is_full = self._kept.remove_old(self._settings.keep_days, size) > size
        except OSError as error:  # another server of this graph removes, too
            _log.warning("kept requests: %s", error)
        if self._is_full and not was_full:
            _log.warning(
                "the requests of this hour have more than %d MB: none is kept until it is over; keep a "
                "smaller share, or raise --keep-megabytes",
                self._settings.keep_megabytes,
            )


def _check_way(graph: ServedGraph, node: str, branch: str) -> None:
    branches = graph.nodes[node].node.facts.branches if node in graph.nodes else ()
    if branch not in branches:
        ways = [f"{name}.{way}" for name, served in graph.nodes.items() for way in served.node.facts.branches]
        known = ", ".join(ways) or "none, as it has no route"
        raise ConfigError(f"keep: expected a share, or a way of the graph ({known}), found {node}.{branch}")


def _row_of(request: GraphRequest) -> dict[str, Any]:
    utterance = request.utterance
    values: dict[str, Any] = {
        "id": utterance.id,
        "text": utterance.text,
        "source_language": utterance.source_language,
        "target_language": utterance.target_language,
    }
    if utterance.audio is not None:
        values |= {"duration": utterance.audio.seconds, "sha256": utterance.audio.sha256}
    row = {name: value for name, value in values.items() if value is not None}
    served = {
        "at": utc_now(),
        "graph": request.graph.key,
        "output": request.output,
        "seconds": round(request.elapsed, 4),
        "nodes": describe_nodes(request),
    }
    return {**row, "served": served}
