"""The shards of a data set on Ray: rows are opened, checked and digested by the workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from components.data.stage import BuiltShard, DataShards, build_shard
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store
from tasks.engines.ray.driver_process import DriverProcess, error_of
from tasks.engines.ray.messages import Event, LoadJob, decode_rows, encode_rows

WAVE = 64
"""Shards of a job; two jobs are at work."""


def build_on_worker(store: str, folder: str, rows: bytes) -> tuple[str, bool]:
    """Store a shard of a data set; its header as JSON, and whether any of its rows names audio.

    Args:
        store: URL of the store.
        folder: where the run is, in which relative paths begin.
        rows: as its manifest has them, encoded.
    """
    with suppress(OSError):  # another machine may have no such folder
        os.chdir(folder)
    built = build_shard(decode_rows(rows), Store(store))
    return built.header.model_dump_json(), built.has_audio


class RayLoading:
    """Builds the shards of a data set on the workers of a run's cluster, in order.

    Args:
        driver: of the run.
    """

    def __init__(self, driver: DriverProcess) -> None:
        self._driver = driver

    def __call__(self, shards: DataShards, store: Store) -> Iterator[BuiltShard]:
        """Yield the shards, two waves of them ahead."""
        waves: deque[Callable[[], list[BuiltShard]]] = deque()
        # Encoded one by one: as objects the rows of a wave take ten times the memory.
        rest = (shard if isinstance(shard, ShardHeader) else encode_rows(shard) for shard in shards)
        while wave := list(islice(rest, WAVE)):
            waves.append(self._begin(wave, store))
            if len(waves) > 1:
                yield from waves.popleft()()
        while waves:
            yield from waves.popleft()()

    def _begin(self, wave: Sequence[bytes | ShardHeader], store: Store) -> Callable[[], list[BuiltShard]]:
        """Begin with a wave; what is returned waits for its end and returns its shards."""
        stored = {n: BuiltShard(each, False) for n, each in enumerate(wave) if isinstance(each, ShardHeader)}
        rows = {n: each for n, each in enumerate(wave) if not isinstance(each, ShardHeader)}
        events: SimpleQueue[Event] = SimpleQueue()
        if rows:
            url, folder, encoded = store.backend.url, str(Path.cwd()), list(rows.values())
            self._driver.run(lambda number: LoadJob(number, url, folder, encoded), events.put)

        def collect() -> list[BuiltShard]:
            built = _collect(len(rows), events) if rows else []
            both = stored | dict(zip(rows, built, strict=True))
            return [both[number] for number in range(len(wave))]

        return collect


def _collect(count: int, events: SimpleQueue[Event]) -> list[BuiltShard]:
    """Return the shards of a job, in order, once it has ended."""
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
