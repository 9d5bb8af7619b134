"""Copies of files behind URLs, and of sounds out of Parquet files: made once, bounded in all.

They lie in ``ANTIPHON_CACHE/fetched``, which may be removed at any time: what is needed is fetched again.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from filelock import FileLock

from components.errors import DataError
from components.files.byte_sizes import parse_bytes
from components.files.digests import cache_folder
from components.files.locations.clients import RemoteFile, client_of
from components.files.locations.location import file_name_of

VARIABLE = "ANTIPHON_FETCHED_BYTES"
DEFAULT_LIMIT = 50 * 2**30
IN_USE_SECONDS = 60.0
"""What was used this recently is not removed."""
TOUCHED_EVERY_SECONDS = 20.0
TRUSTED_SECONDS = 600.0
"""How long a process takes what it has learned of a URL for true."""
_LEFTOVER_SECONDS = 86_400.0


_known: dict[str, tuple[float, RemoteFile]] = {}
"""URL -> when it was looked up, and what was found."""


def look_up(url: str) -> RemoteFile:
    """Return the size and version of a file behind a URL; asked once in ten minutes.

    Raises:
        LocationError: there is none, or it may not be fetched.
    """
    known = _known.get(url)
    if known is not None and time.monotonic() - known[0] < TRUSTED_SECONDS:
        return known[1]
    facts = client_of(url).look_up(url)
    _note(url, facts)
    return facts


def fetch(url: str, limit: int) -> Path:
    """Return the local copy of a file behind a URL, which is made if there is none of its present version.

    Args:
        url: of the file.
        limit: bytes.

    Raises:
        LocationError: it cannot be fetched.
    """
    facts = look_up(url)
    if facts.version is not None and (path := _find(url, facts.version)):
        return path
    return _download(url, facts, limit)


def use_copy(url: str, version: str) -> None:
    """Take a version of a file for its present one, if there is a copy of it here: nobody is asked again."""
    if (path := _find(url, version)) is not None:
        _note(url, RemoteFile(path.stat().st_size, version))


def forget() -> None:
    """Ask servers again for what this process has learned of URLs."""
    _known.clear()


def find_fetched(url: str) -> Path | None:
    """Return the copy of a file that this process has looked up and fetched; asks nobody."""
    known = _known.get(url)
    return None if known is None or known[1].version is None else _find(url, known[1].version)


def fill(name: str, suffix: str, write: Callable[[IO[bytes]], None]) -> Path:
    """Make a file of the cache.

    Args:
        name: of the file, a digest of what decides its content.
        suffix: of its name, such as ``.wav``.
        write: writes the content.
    """
    path = _path(name, suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp")
    try:
        with fresh.open("xb") as file:
            write(file)
        size = fresh.stat().st_size
        fresh.replace(path)
    except OSError as error:
        raise DataError(
            f"cache: cannot write {path.parent} ({error.strerror}); set ANTIPHON_CACHE"
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    _keep_within_limit(size)
    return path


def find(name: str, suffix: str) -> Path | None:
    """Return a file of the cache, noting that it is used; None where there is none."""
    path = _path(name, suffix)
    try:
        if time.time() - path.stat().st_mtime > TOUCHED_EVERY_SECONDS:
            os.utime(path)
    except OSError:
        return None
    return path


def read_limit() -> int:
    """Return how many bytes the copies may take together.

    Raises:
        ConfigError: ``ANTIPHON_FETCHED_BYTES`` is no size.
    """
    text = os.environ.get(VARIABLE, "").strip()
    return parse_bytes(text, VARIABLE) if text else DEFAULT_LIMIT


def _note(url: str, facts: RemoteFile) -> None:
    if len(_known) > 100_000:
        _known.clear()
    _known[url] = (time.monotonic(), facts)


def _download(url: str, facts: RemoteFile, limit: int) -> Path:
    """Fetch a file; of the threads and processes here that want it one does, and the others wait."""
    lock = _path(digest_name(url, facts.version or ""), ".lock")
    with FileLock(lock):
        if facts.version is not None and (path := _find(url, facts.version)):
            return path
        received: list[RemoteFile] = []

        def write(file: IO[bytes]) -> None:
            received.append(client_of(url).download(url, file, limit))

        temporary = f"{digest_name(url, facts.version or '')}-new"
        path = fill(temporary, _suffix(url), write)
        version = received[0].version or f"at {time.time_ns()}"  # else of one version to this process only
        _note(url, received[0]._replace(version=version))
        target = _path(digest_name(url, version), _suffix(url))
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    lock.unlink(missing_ok=True)  # whoever waits for it finds the copy
    return target


def _find(url: str, version: str) -> Path | None:
    return find(digest_name(url, version), _suffix(url))


def _suffix(url: str) -> str:
    """Return the ending of a file behind a URL, if it is a plain one."""
    suffix = Path(file_name_of(url)).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""


def digest_name(*parts: str | None) -> str:
    """Return the name of a file of the cache for what decides its content."""
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def fetched_folder() -> Path:
    """Return the folder of all copies."""
    return cache_folder() / "fetched"


def _path(name: str, suffix: str) -> Path:
    return fetched_folder() / name[:2] / f"{name}{suffix}"


_written = 0
"""Bytes that this process has written since it last looked at the whole cache."""


def _keep_within_limit(size: int) -> None:
    """Remove what was not used for longest until the limit holds; asked when a 50th of it was written."""
    global _written  # noqa: PLW0603 - a count of this process
    limit = read_limit()
    _written += size
    if _written < limit // 50:
        return
    _written = 0
    now, files = time.time(), list[tuple[float, int, Path]]()
    for path in fetched_folder().glob("*/*"):
        try:
            status = path.stat()
        except OSError:
            continue
        leftover = path.name.startswith(".") or path.suffix == ".lock"
        if leftover and now - status.st_mtime < _LEFTOVER_SECONDS:
            continue
        files.append((0.0 if leftover else status.st_mtime, status.st_size, path))
    total = sum(entry[1] for entry in files)
    for used, bytes_, path in sorted(files):
        if used and (total <= limit or now - used < IN_USE_SECONDS):
            break
        path.unlink(missing_ok=True)
        total -= bytes_
