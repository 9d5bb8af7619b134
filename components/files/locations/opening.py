"""Opening what a location names: within limits, never a pipe or device; behind a URL fetched once."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import DataError
from components.extensions import Extensions, accept_methods
from components.files.locations.archives import Member, archive_of
from components.files.locations.location import (
    MISSING,
    UNREADABLE,
    FilePath,
    Location,
    LocationError,
    is_remote,
    parse_location,
)

COPIES: Extensions[Any] = Extensions(
    "antiphon.copies", "keeper of copies", accept_methods("look_up", "fetch", "find_fetched", "use_copy")
)
"""Who keeps copies of files behind URLs, as :mod:`.fetched_files` does: imported when a URL is named."""
MAX_FILE_BYTES = 8 * 2**30
"""Of one file, and of one member of an archive."""
MAX_ARCHIVE_BYTES = 64 * 2**30
"""Of a tar or table behind a URL, which is fetched whole."""
LOOK_UPS_AT_ONCE = 16
FETCHES_AT_ONCE = 8


class FileFacts(NamedTuple):
    """What tells a version of a file from another without reading it.

    Attributes:
        size: bytes; None where a server does not say.
        version: times of modification and change, or ETag; None where a server states none.
        changed_ns: when it last changed, in nanoseconds since 1970; 0 where only the server knows.
    """

    size: int | None
    version: str | None
    changed_ns: int = 0


def facts(location: FilePath) -> FileFacts:
    """Return the version of the file that a location names or lies in; neither opens nor fetches it.

    Raises:
        LocationError: there is none, it is no regular file, or may not be fetched.
    """
    file = parse_location(location).file
    if is_remote(file):
        remote = COPIES.only().look_up(file)
        return FileFacts(remote.size, remote.version)
    try:
        status = os.stat(file)  # noqa: PTH116 - as below
    except (OSError, ValueError) as error:
        raise _no_local_file(file, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise _irregular(file, status.st_mode)
    version = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    return FileFacts(status.st_size, version, max(status.st_mtime_ns, status.st_ctime_ns))


def facts_of_all(locations: Iterable[str]) -> dict[str, FileFacts | DataError]:
    """Return :func:`facts` of many locations; servers are asked several at once, each file once."""
    files = {location: parse_location(location).file for location in locations}
    distinct = list(dict.fromkeys(files.values()))
    remote = [file for file in distinct if is_remote(file)]
    known = {file: _facts_or_error(file) for file in distinct if not is_remote(file)}
    if remote:
        with ThreadPoolExecutor(LOOK_UPS_AT_ONCE, thread_name_prefix="look-up") as threads:
            known |= zip(remote, threads.map(_facts_or_error, remote), strict=True)
    return {location: known[file] for location, file in files.items()}


def fetch_all(locations: Iterable[str]) -> dict[str, DataError]:
    """Fetch what lies behind URLs, several files at once, each once; errors by location."""
    files = {name: parse_location(name) for name in locations if is_remote(name)}
    distinct = list(dict.fromkeys(where.file for where in files.values()))
    limits = {
        where.file: MAX_FILE_BYTES if where.member is None else MAX_ARCHIVE_BYTES for where in files.values()
    }
    if not distinct:
        return {}
    with ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="fetch") as threads:
        errors = dict(
            zip(distinct, threads.map(lambda file: _fetch_error(file, limits[file]), distinct), strict=True)
        )
    return {name: error for name, where in files.items() if (error := errors[where.file]) is not None}


def _fetch_error(url: str, limit: int) -> DataError | None:
    try:
        COPIES.only().fetch(url, limit)
    except DataError as error:
        return error
    return None


def _facts_or_error(file: str) -> FileFacts | DataError:
    try:
        return facts(file)
    except DataError as error:
        return error


def open_local(location: FilePath) -> Path:
    """Return a local file with what a location names; a path stays what it is, all else is copied here.

    Raises:
        LocationError: it cannot be had.
    """
    where = parse_location(location)
    if where.member is None:
        return _fetch(where, MAX_FILE_BYTES) if where.is_remote else Path(where.file)
    return archive_of(where.file).extract_member(_member(where))


def open_location(location: FilePath) -> io.BufferedReader:
    """Open what a location names for reading; never waits on a pipe and never reads a device.

    A member of a tar is read where it lies in the tar. Errors as of :func:`open_local`.
    """
    where = parse_location(location)
    if where.member is None and not where.is_remote:
        return open_regular_file(where.file)
    for attempt in (1, 2):
        try:
            if where.member is not None:
                return archive_of(where.file).open_member(_member(where))
            return open_local(location).open("rb")
        except (FileNotFoundError, LocationError) as error:
            removed = isinstance(error.__cause__ or error, FileNotFoundError)  # a copy, to make room
            if attempt == 2 or not removed:
                raise
    raise AssertionError  # the second attempt returns or raises


def open_archive(location: str) -> Path:
    """Return the local file of a tar or table, which is fetched if it is behind a URL. LocationError."""
    return _archive(Location(location, None))


def is_file(path: FilePath) -> bool:
    """Return whether there is a local regular file; False of what cannot be a path at all."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: FilePath) -> bool:
    """Return whether there is a local folder; False of what cannot be a path at all."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_here(location: FilePath) -> bool:
    """Return whether opening a location fetches nothing; no server is asked."""
    file = parse_location(location).file
    return COPIES.only().find_fetched(file) is not None if is_remote(file) else True


def identity_of(location: FilePath) -> tuple[str, int, int, int, int]:
    """Return the location, inode, size, times of modification and change: keys of what is computed from it.

    A program can set the first of the times back (``cp -p``, ``touch -r``), the second not.

    Raises:
        LocationError: it cannot be opened.
    """
    where = parse_location(location)
    if where.is_remote:
        path = _archive(where) if where.member else _fetch(where, MAX_FILE_BYTES)
        return (os.fspath(location), 0, path.stat().st_size, hash(path), 0)  # a copy is never changed
    with open_regular_file(where.file) as file:
        status = os.fstat(file.fileno())
    return (os.fspath(location), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def open_regular_file(path: FilePath) -> io.BufferedReader:
    """Open a local regular file for reading; never waits on a pipe and never reads a device.

    Raises:
        LocationError: it is none.
    """
    try:
        kind = os.stat(path).st_mode  # noqa: PTH116 - one call for str and PathLike
        if stat.S_ISREG(kind):
            # Opened without blocking, then asked again: the name may have been exchanged in between.
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            if stat.S_ISREG(os.fstat(handle).st_mode):
                return os.fdopen(handle, "rb")
            os.close(handle)
    except (OSError, ValueError) as error:
        raise _no_local_file(path, error) from error
    raise _irregular(path, kind)


def _no_local_file(path: FilePath, error: Exception) -> LocationError:
    reason = getattr(error, "strerror", None) or str(error)
    return LocationError(
        path, f"expected a local file, found none ({reason})", "check the path", reason=MISSING
    )


def _irregular(path: FilePath, kind: int) -> LocationError:
    if stat.S_ISDIR(kind):
        return LocationError(path, "expected a file, found a directory", reason=UNREADABLE)
    what = "expected a regular file, found a pipe, socket or device"
    return LocationError(path, what, reason=UNREADABLE)


def _fetch(where: Location, limit: int) -> Path:
    path: Path = COPIES.only().fetch(where.file, limit)
    return path


def _archive(where: Location) -> Path:
    """Return the local file of the archive that a member lies in."""
    if where.is_remote:
        return _fetch(where, MAX_ARCHIVE_BYTES)
    open_regular_file(where.file).close()
    return Path(where.file)


def _member(where: Location) -> Member:
    archive = _archive(where)
    return Member(where.file, archive, where.member or "", _stamp(where, archive), MAX_FILE_BYTES)


def _stamp(where: Location, archive: Path) -> str:
    """Return what tells this version of an archive from others; the times of copies here say nothing."""
    if where.is_remote:
        return archive.name
    status = archive.stat()
    return f"{archive.absolute()} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
