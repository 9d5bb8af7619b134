"""The shards of a data set on Ray: rows are opened, checked and digested by the workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from components.data.row_reader import DraftedRow
from components.data.stage import BuiltShard, build_shard
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store
from tasks.engines.ray.driver_process import DriverProcess, error_of
from tasks.engines.ray.messages import Event, LoadJob

WAVE = 64
"""Shards of a job; two jobs are at work."""


def build_on_worker(store: str, folder: str, rows: list[DraftedRow]) -> tuple[str, bool]:
    """Store a shard of a data set; its header as JSON, and whether any of its rows names audio.

    Args:
        store: URL of the store.
        folder: where the run is, in which relative paths begin.
        rows: as its manifest has them.
    """
    with suppress(OSError):  # another machine may have no such folder
        os.chdir(folder)
    built = build_shard(rows, Store(store))
    return built.header.model_dump_json(), built.has_audio


class RayLoading:
    """Builds the shards of a data set on the workers of a run's cluster, in order.

    Args:
        driver: of the run.
    """

    def __init__(self, driver: DriverProcess) -> None:
        self._driver = driver

    def __call__(self, shards: Iterable[list[DraftedRow]], store: Store) -> Iterator[BuiltShard]:
        """Yield the shards, two waves of them ahead."""
        waves: deque[tuple[int, SimpleQueue[Event]]] = deque()
        rows = iter(shards)
        while wave := list(islice(rows, WAVE)):
            waves.append((len(wave), self._begin(wave, store)))
            if len(waves) > 1:
                yield from _collect(*waves.popleft())
        while waves:
            yield from _collect(*waves.popleft())

    def _begin(self, wave: list[list[DraftedRow]], store: Store) -> SimpleQueue[Event]:
        events: SimpleQueue[Event] = SimpleQueue()
        url, folder = store.backend.url, str(Path.cwd())
        self._driver.run(lambda number: LoadJob(number, url, folder, wave), events.put)
        return events


def _collect(count: int, events: SimpleQueue[Event]) -> list[BuiltShard]:
    """Return the shards of a wave, in order, once it has ended."""
    built: dict[int, BuiltShard] = {}
    while True:
        event = events.get()
        if event.sort == "shard":
            header = ShardHeader.model_validate_json(event.header)
            built[event.number] = BuiltShard(header, event.size[1] > 0)
        elif event.sort == "ended":
            return [built[number] for number in range(count)]
        else:
            raise error_of(event)
