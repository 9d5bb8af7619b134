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
_log = logging.getLogger("antiphon.serving")


class Keeper:
    """Writes requests in a thread of its own.

    Args:
        kept: where.
        settings: which, and for how long.
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
        self._way = None if self._share is not None else tuple(str(settings.keep).split("."))
        if self._way is not None:
            _check_way(graph, *self._way)
        self._waiting: queue.Queue[tuple[dict[str, Any], Path | None] | None] = queue.Queue(_MOST_WAITING)
        self._random = random.Random()  # noqa: S311 - which requests are kept is no secret
        self._tidied = 0.0
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
        while (taken := self._waiting.get()) is not None:
            row, recording = taken
            try:
                self._kept.add(row, recording)
                self._measures.kept.inc()
                if time.monotonic() - self._tidied > _TIDY_SECONDS or not self._tidied:
                    self._tidied = time.monotonic()
                    self._kept.remove_old(self._settings.keep_days, self._settings.keep_megabytes * 10**6)
            except OSError as error:
                _log.warning("a request is not kept: %s", error)
            finally:
                if recording is not None:
                    with suppress(OSError):
                        recording.unlink()


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
