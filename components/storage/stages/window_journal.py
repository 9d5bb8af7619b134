"""Windows of recordings, kept as they are decoded, so that an interrupted shard goes on behind them.

A recognizer decodes batch after batch of windows; which ones depends on those before. What a batch gave is a
line of the journal of its shard. An attempt that follows takes it from there instead of decoding it, and
comes to the same next batch: the bytes in the end are those of an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from components.errors import ModelError

T = TypeVar("T")
SYNC_SECONDS = 10.0
"""Between two flushes to disk: what a power cut may cost. A killed process loses nothing that was decoded."""
_log = logging.getLogger("antiphon.store")


class WindowJournal:
    """What the batches of one shard gave: lines of a SHA-256 and a JSON object; a damaged one does not count.

    Args:
        path: its file, in a folder of the stage that is made if it is missing.

    Attributes:
        recalled_seconds: wall time of computing what was taken from an earlier attempt.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._synced = time.monotonic()
        self.recalled_seconds = 0.0
        content = path.read_bytes() if path.exists() else b""
        self._entries = {tuple(json.loads(entry)["windows"]): entry for entry in _read_entries(content)}

    def recall(self, windows: Sequence[str]) -> Any:
        """Return what a batch of windows gave in an earlier attempt; None where that is not known."""
        text = self._entries.pop(tuple(windows), None)
        if text is None:
            return None
        entry = json.loads(text)
        self.recalled_seconds += entry["seconds"]
        return entry["results"]

    def keep(self, windows: Sequence[str], results: Any, seconds: float) -> None:
        """Keep what a batch gave, JSON values; where the disk takes it no more, what is kept stays."""
        text = json.dumps({"windows": list(windows), "seconds": seconds, "results": results}).encode()
        try:
            self._path.parent.mkdir(exist_ok=True)
            with self._path.open("ab") as file:
                # What a torn line left would make this one part of it.
                file.write(b"\n" * bool(file.tell()) + _digest_of(text) + b" " + text)
                if time.monotonic() - self._synced > SYNC_SECONDS:
                    file.flush()
                    os.fsync(file.fileno())
                    self._synced = time.monotonic()
        except OSError as error:
            _log.warning("%s: decoded windows are not kept: %s", self._path, error.strerror)


def _read_entries(content: bytes) -> Iterator[bytes]:
    for line in content.split(b"\n"):
        digest, _, text = line.partition(b" ")
        if digest == _digest_of(text):
            yield text


def _digest_of(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest().encode()


_JOURNAL: ContextVar[WindowJournal | None] = ContextVar("journal of windows", default=None)


@contextmanager
def keep_windows(path: Path) -> Iterator[WindowJournal]:
    """Keep the windows that are decoded in the block in the file ``path``, and take from it what is there."""
    journal = WindowJournal(path)
    token = _JOURNAL.set(journal)
    try:
        yield journal
    finally:
        _JOURNAL.reset(token)


def recall_or_compute(
    windows: Sequence[str], form: TypeAdapter[list[T]], compute: Callable[[], list[T | ModelError]]
) -> list[T | ModelError]:
    """Return what a batch of windows gives: from the journal, or computed, and kept where nothing failed.

    Args:
        windows: who decodes, and names of the windows: what no other batch of the shard has.
        form: of a result, as JSON values.
        compute: decodes the batch, a result or its error for each window.
    """
    journal = _JOURNAL.get()
    if journal is None:
        return compute()
    kept = journal.recall(windows)
    if kept is not None:
        return [*form.validate_python(kept)]
    began = time.perf_counter()
    results = compute()
    if any(isinstance(result, ModelError) for result in results):
        return results
    values: Any = results
    kept = form.dump_python(values, mode="json", fallback=float, warnings=False)  # numbers of numpy, say
    validated = form.validate_python(kept)  # so that it makes no difference which attempt computed it
    journal.keep(windows, kept, time.perf_counter() - began)
    return [*validated]
