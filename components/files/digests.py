"""SHA-256 digests of files, remembered while a file is unchanged: no run reads gigabytes a second time."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import platformdirs

from components.files.file_limits import refuse_irregular

CACHE_VARIABLE = "ANTIPHON_CACHE"
REMEMBERED_FROM = 1 << 20
"""Files below this many bytes are simply read again."""
RECENT_NANOSECONDS = 2_000_000_000
"""A file that changed this recently may change again without a change of its time stamps."""

_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, stamp TEXT, digest TEXT) WITHOUT ROWID;
"""
_memory = threading.local()


def cache_folder() -> Path:
    """Return the folder of fetched models and remembered digests: ``ANTIPHON_CACHE`` or the user's cache."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("antiphon"))


def data_folder() -> Path:
    """Return the folder of data sets that were fetched: ``ANTIPHON_DATA``, else ``sets`` in the cache."""
    named = os.environ.get("ANTIPHON_DATA")
    return Path(named).expanduser().absolute() if named else cache_folder() / "sets"


def sha256_of(path: Path, *, reread: bool = False) -> str:
    """Return SHA-256 of a file, in hexadecimal.

    A large file's digest is remembered for its path, size, modification and change times; the change time
    cannot be set back by a program, so an altered file is read again.

    Args:
        path: the file.
        reread: whether to read it in any case.

    Raises:
        ModelError: It is a pipe, a socket or a device.
    """
    refuse_irregular(path)
    before = path.stat()
    if before.st_size < REMEMBERED_FROM:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    stamp = (before.st_size, before.st_mtime_ns, before.st_ctime_ns)
    place = path.absolute()
    if not reread and (remembered := recall_digests({place: stamp})):
        return remembered[place]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns):
        remember_digests({place: stamp}, {place: digest})
    return digest


def recall_digests(stamps: Mapping[Path, tuple[int, ...]]) -> dict[Path, str]:
    """Return what was remembered of files, whose paths are absolute, as far as they have these stamps."""
    query = "SELECT path, stamp, digest FROM files WHERE path IN (SELECT value FROM json_each(?))"
    try:
        rows = _open_memory().execute(query, (json.dumps(list(map(str, stamps))),)).fetchall()
    except (sqlite3.Error, OSError):  # a cache that cannot be read costs time, nothing else
        return {}
    found = {(path, stamp): digest for path, stamp, digest in rows}
    keys = {path: (str(path), repr(stamp)) for path, stamp in stamps.items()}
    return {path: found[key] for path, key in keys.items() if key in found}


def remember_digests(stamps: Mapping[Path, tuple[int, ...]], digests: Mapping[Path, str]) -> None:
    """Remember digests of files until their stamps change."""
    with suppress(sqlite3.Error, OSError):
        rows = [(str(path), repr(stamps[path]), digest) for path, digest in digests.items()]
        _open_memory().executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", rows)


def _open_memory() -> sqlite3.Connection:
    """Return the connection of this thread and process to the database in the cache."""
    folder = cache_folder()
    owner = (os.getpid(), folder)
    if getattr(_memory, "owner", None) != owner:
        folder.mkdir(parents=True, exist_ok=True)
        _memory.connection = sqlite3.connect(folder / "digests.sqlite", timeout=1, isolation_level=None)
        _memory.connection.executescript(_SETUP)
        _memory.owner = owner
    connection: sqlite3.Connection = _memory.connection
    return connection


def combine_digests(digests: Mapping[str, str]) -> str:
    """Return one digest for several files: SHA-256 over lines ``name digest``, sorted by name."""
    lines: Iterable[str] = (f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, remembered by this process while the file is not touched.

    Raises:
        OSError: the file cannot be read.
    """
    stamp = stamp_of(path)
    return _hash_file(path) if stamp is None else _hash_file_cached(path, stamp)


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """Return what a change of a file changes; None where it changed so recently that this may not tell.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < RECENT_NANOSECONDS:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _hash_file(path: Path, stamp: tuple[int, ...] = ()) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_hash_file_cached = lru_cache(maxsize=8192)(_hash_file)
