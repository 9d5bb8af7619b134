"""What was found out of audio files, kept on disk: an unchanged file is not opened a second time.

A file is known by its location, size, times and inode; one behind a URL by what its server calls its version.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import DataError
from components.files.digests import cache_folder
from components.files.locations.location import absolute_location, is_remote
from components.files.locations.opening import FileFacts, facts_of_all

log = logging.getLogger("antiphon.audio")

FILE = "audio-1.sqlite"
"""Name of the database in ``ANTIPHON_CACHE``; another layout of its table is another name."""
RECENT_NANOSECONDS = 2_000_000_000
"""A file that changed this recently may change again without a change of its times: it is not remembered."""
WAIT_SECONDS = 10.0
"""For another process that writes."""
_AT_ONCE = 500
_TABLE = """CREATE TABLE IF NOT EXISTS audio (
    location TEXT PRIMARY KEY, version TEXT NOT NULL, sha256 TEXT NOT NULL, container TEXT NOT NULL,
    codec TEXT NOT NULL, sample_rate INTEGER NOT NULL, channels INTEGER NOT NULL, seconds REAL NOT NULL
) WITHOUT ROWID"""


class AudioFacts(NamedTuple):
    """What is remembered of an audio file: its digest, and what its headers say (checked against its end)."""

    sha256: str
    container: str
    codec: str
    sample_rate: int
    channels: int
    seconds: float


class AudioMemory:
    """Facts of audio files by location and version, shared by threads and processes.

    A database that is damaged or cannot be opened is forgotten with a warning: it costs time, nothing else.
    """

    def __init__(self, file: Path | None = None) -> None:
        """``file``: of the database; None: in the cache folder, wherever that is at the time."""
        self._file = file
        self._lock = threading.Lock()
        self._open: tuple[Path, int, sqlite3.Connection] | None = None
        self._unusable: set[Path] = set()

    def recall(self, versions: Mapping[str, FileFacts | DataError]) -> dict[str, AudioFacts]:
        """Return what is remembered of files that have not changed.

        Args:
            versions: location -> its present facts (:func:`components.files.locations.opening.facts_of_all`).
        """
        known = self._select(versions)
        return {
            location: AudioFacts(*row[2:])
            for location, present in versions.items()
            if (row := known.get(location)) is not None
            and isinstance(present, FileFacts)
            and present.version is not None
            and row[1] == present.version
        }

    def remember(self, found: Iterable[tuple[str, FileFacts, AudioFacts]]) -> None:
        """Keep what was found out of files, each with the facts from before it was opened."""
        now = time.time_ns()
        rows = [
            (location, before.version, *audio)
            for location, before, audio in found
            if before.version is not None
            and now - before.changed_ns >= RECENT_NANOSECONDS
            and location.isprintable()  # what is no Unicode text cannot be stored
        ]
        with self._use() as database:
            if rows and database is not None:
                database.executemany("INSERT OR REPLACE INTO audio VALUES (?,?,?,?,?,?,?,?)", rows)

    def looked_at(self, locations: Sequence[str]) -> list[bool]:
        """Return of each location whether it was looked at and, if it is a local file, has not changed since.

        Opens and fetches nothing and asks no server: of what is behind a URL the last look counts.
        """
        absolute = [absolute_location(location) for location in locations]
        known = self._select(absolute)
        local = facts_of_all(
            location for location in absolute if location in known and not is_remote(location)
        )
        return [
            location in known
            and (is_remote(location) or getattr(local[location], "version", None) == known[location][1])
            for location in absolute
        ]

    def recall_last(self, locations: Sequence[str]) -> dict[str, AudioFacts]:
        """Return what is remembered of files that have not changed, as far as it shows without a server."""
        absolute = {location: absolute_location(location) for location in locations}
        seen = self.looked_at(locations)
        known = self._select(
            absolute[location] for location, is_known in zip(locations, seen, strict=True) if is_known
        )
        return {
            location: AudioFacts(*row[2:])
            for location in locations
            if (row := known.get(absolute[location])) is not None
        }

    def find_version(self, location: str, sha256: str) -> str | None:
        """Return the version of a file that had this digest, as far as it is remembered."""
        row = self._select([location]).get(location)
        return row[1] if row is not None and row[2] == sha256 else None

    def _select(self, locations: Iterable[str]) -> dict[str, tuple[Any, ...]]:
        names = [name for name in locations if name.isprintable()]
        rows = dict[str, tuple[Any, ...]]()
        with self._use() as database:
            for begin in range(0, 0 if database is None else len(names), _AT_ONCE):
                part = names[begin : begin + _AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT * FROM audio WHERE location IN ({marks})"  # noqa: S608 - marks are question marks
                rows |= {row[0]: row for row in database.execute(query, part)}  # type: ignore[union-attr]
        return rows

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection | None]:
        """Yield the database in a transaction; None where it cannot be used."""
        with self._lock:
            file = self._file or cache_folder() / FILE
            database = self._connect_or_forget(file)
            try:
                yield database
                if database is not None:
                    database.commit()
            except sqlite3.DatabaseError as error:
                self._forget(file, error)

    def _connect_or_forget(self, file: Path) -> sqlite3.Connection | None:
        for _ in range(2):  # what is damaged is removed, and made anew
            try:
                return self._connect(file)
            except sqlite3.DatabaseError as error:
                self._forget(file, error)
        return None

    def _connect(self, file: Path) -> sqlite3.Connection | None:
        if self._open is not None and self._open[:2] == (file, os.getpid()):
            return self._open[2]
        if file in self._unusable:
            return None
        self._open = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from error
        database = sqlite3.connect(file, timeout=WAIT_SECONDS, check_same_thread=False)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(_TABLE)
        database.execute("SELECT location, version, sha256, seconds FROM audio LIMIT 1").fetchone()
        self._open = (file, os.getpid(), database)
        return database

    def _forget(self, file: Path, error: sqlite3.DatabaseError) -> None:
        """Begin anew where the database is damaged; go without one where it cannot be used."""
        log.warning("%s: expected remembered digests, found: %s; audio files are read again", file, error)
        if self._open is not None:
            self._open[2].close()
            self._open = None
        if isinstance(error, sqlite3.OperationalError):
            self._unusable.add(file)
            return
        for name in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
            try:
                name.unlink(missing_ok=True)
            except OSError:
                self._unusable.add(file)


AUDIO_MEMORY = AudioMemory()
"""The memory of this machine."""
