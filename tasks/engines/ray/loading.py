"""The shards of a data set on Ray: rows are opened, checked and digested by the workers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from components.data.stage import BuiltShard, DataShards, build_shard, names_audio
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store
from tasks.engines.ray.driver_process import DriverProcess, error_of
from tasks.engines.ray.messages import Event, LoadJob, decode_rows, encode_rows

FEW = 4
"""Shards of texts that are built in this process, where a cluster would be started for them alone."""
WAVE, WAVE_BYTES = 64, 2 * 2**20
"""Shards of a job, and bytes of rows after which it has no more; two jobs are at work."""


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
        rest = (
            each if isinstance(each, ShardHeader) else _Encoded(encode_rows(each), names_audio(each))
            for each in shards
        )
        while wave := _take_wave(rest):
            waves.append(self._begin(wave, store))
            if len(waves) > 1:
                yield from waves.popleft()()
        while waves:
            yield from waves.popleft()()

    def _begin(self, wave: Sequence[_Encoded | ShardHeader], store: Store) -> Callable[[], list[BuiltShard]]:
        """Begin with a wave; what is returned waits for its end and returns its shards."""
        stored = {n: BuiltShard(each, False) for n, each in enumerate(wave) if isinstance(each, ShardHeader)}
        rows = {n: each for n, each in enumerate(wave) if not isinstance(each, ShardHeader)}
        build = self._begin_here if self._is_done_sooner_here(list(rows.values())) else self._begin_on_ray
        finish = build([each.rows for each in rows.values()], store)

        def collect() -> list[BuiltShard]:
            both = stored | dict(zip(rows, finish(), strict=True))
            return [both[number] for number in range(len(wave))]

        return collect

    def _is_done_sooner_here(self, encoded: Sequence[_Encoded]) -> bool:
        """Return whether a cluster would have to be started for a few texts, or for nothing."""
        is_little = len(encoded) <= FEW and not any(each.has_audio for each in encoded)
        return not encoded or (is_little and not self._driver.is_started)

    def _begin_here(self, encoded: Sequence[bytes], store: Store) -> Callable[[], list[BuiltShard]]:
        built = [build_shard(decode_rows(rows), store) for rows in encoded]
        return lambda: built

    def _begin_on_ray(self, encoded: Sequence[bytes], store: Store) -> Callable[[], list[BuiltShard]]:
        events: SimpleQueue[Event] = SimpleQueue()
        url, folder = store.backend.url, str(Path.cwd())
        self._driver.run(lambda number: LoadJob(number, url, folder, list(encoded)), events.put)
        return lambda: _collect(len(encoded), events)


def _take_wave(rest: Iterator[_Encoded | ShardHeader]) -> list[_Encoded | ShardHeader]:
    """Take the next shards: a wave of recordings is many, of texts what memory does not feel."""
    wave: list[_Encoded | ShardHeader] = []
    size = 0
    while size < WAVE_BYTES and len(wave) < WAVE and (shard := next(rest, None)) is not None:
        wave.append(shard)
        size += 0 if isinstance(shard, ShardHeader) else len(shard.rows)
    return wave


class _Encoded(NamedTuple):
    """The rows of a shard as a worker gets them, and whether any is of speech."""

    rows: bytes
    has_audio: bool


def _collect(count: int, events: SimpleQueue[Event]) -> list[BuiltShard]:
    """Return the shards of a job, in order, once it has ended."""
    built: dict[int, BuiltShard] = {}
    while True:
        event = events.get()
        if event.sort == "shard":
            header = ShardHeader.model_validate_json(event.header)
            built[event.number] = BuiltShard(header, bool(event.size and event.size[1]))
        elif event.sort == "ended":
            return [built[number] for number in range(count)]
        else:
            raise error_of(event)
