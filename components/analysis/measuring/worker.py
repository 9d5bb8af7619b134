"""A process that measures shards: ``python -m components.analysis.measuring.worker STORE``.

It reads a line of JSON for each, ``{"protocol": {...}, "shard": {...}}``, and answers with ``ok`` when the
statistics are stored. What goes wrong is its last line, and its end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from components.analysis.measuring.protocol import Protocol
from components.analysis.measuring.shard_statistics import ShardToMeasure, measure_shard
from components.storage.shards.shard import ShardHeader
from components.storage.store import Store

WORTH_PROCESSES = 1000
"""Records that take longer to measure than processes take to start."""
_MAX_PROCESSES = 16
_DONE = b"ok\n"


def measure_shards(store: Store, protocol: Protocol, shards: Sequence[ShardToMeasure]) -> list[ShardHeader]:
    """Return the statistics of shards, in order; those that are missing are counted, many by processes.

    Args:
        store: where they are kept.
        protocol: by which texts are measured.
        shards: of a stage.
    """
    store.backend.uses.note(protocol.fingerprint)  # before a shard is looked for
    stored = {shard.key: store.find_shard(shard.key, shard.read) for shard in shards}
    missing = [shard for shard in shards if stored[shard.key] is None]
    if len(missing) > 1 and sum(shard.records for shard in missing) >= WORTH_PROCESSES:
        _measure_in_processes(store, protocol, missing)
    return [stored[shard.key] or measure_shard(store, protocol, shard) for shard in shards]


def _measure_in_processes(store: Store, protocol: Protocol, shards: Iterable[ShardToMeasure]) -> None:
    """Measure shards by as many processes as there are cores; one that fails leaves its own to the caller."""
    waiting: SimpleQueue[ShardToMeasure] = SimpleQueue()
    for shard in shards:
        waiting.put(shard)
    count = min(len(os.sched_getaffinity(0)), _MAX_PROCESSES, waiting.qsize())
    with ThreadPoolExecutor(count) as threads:
        at_work = [threads.submit(_feed, store, protocol, waiting) for _ in range(count)]
        try:
            wait(at_work)
        except BaseException:  # the run is stopped: what is at work is finished, nothing else is begun
            deque(_drain(waiting), maxlen=0)
            raise


def _feed(store: Store, protocol: Protocol, waiting: SimpleQueue[ShardToMeasure]) -> None:
    stated = protocol.model_dump(mode="json")
    with _worker(store.backend.url) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for shard in _drain(waiting):
            line = json.dumps({"protocol": stated, "shard": shard.model_dump(mode="json")})
            try:
                process.stdin.write(line.encode() + b"\n")
                process.stdin.flush()
            except OSError:
                return
            if process.stdout.readline() != _DONE:
                return


def _drain(waiting: SimpleQueue[ShardToMeasure]) -> Iterator[ShardToMeasure]:
    while True:
        try:
            yield waiting.get_nowait()
        except Empty:
            return


@contextmanager
def _worker(url: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", __name__, url]
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def main(url: str) -> None:
    """Measure what standard input names until it ends."""
    store = Store(url)
    for line in sys.stdin.buffer:
        job = json.loads(line)
        protocol = Protocol.model_validate(job["protocol"])
        measure_shard(store, protocol, ShardToMeasure.model_validate(job["shard"]))
        sys.stdout.buffer.write(_DONE)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
