"""Tars as archives: a member is read where it lies in the tar."""

from __future__ import annotations

import io
import os
import posixpath
import shutil
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import IO

from components.files.locations.archives import Member
from components.files.locations.fetched_files import digest_name, fill, find
from components.files.locations.location import UNREADABLE, LocationError
from components.files.locations.opening import open_regular_file
from components.files.locations.tar_members import TarIndex, TarMember


def file_name(archive: str, member: str) -> str:
    """Return the last part of a member's name."""
    del archive
    return posixpath.basename(member)


def open_member(member: Member) -> io.BufferedReader:
    """Open a member for reading.

    Raises:
        LocationError: there is none of this name, there are two, or it may not be opened.
    """
    return _open(member.path, _find(member))


def extract_member(member: Member) -> Path:
    """Return a copy of a member.

    Raises:
        LocationError: as of :func:`open_member`.
    """
    found, key = _find(member), digest_name(member.stamp, member.name)
    suffix = Path(found.name).suffix.lower()
    suffix = suffix if suffix[1:].isalnum() else ""
    if (copy := find(key, suffix)) is not None:
        return copy
    with _open(member.path, found) as content:
        return fill(key, suffix, lambda file: shutil.copyfileobj(content, file))


_reading = Lock()


def _find(member: Member) -> TarMember:
    with _reading:
        index = _read_index(member.archive, member.path, member.stamp)
    found = index.find(member.name)
    if found.size > member.limit:
        what = f"expected at most {member.limit} bytes, found {found.size}"
        raise LocationError(f"{member.archive}#{member.name}", what, "split the file", reason=UNREADABLE)
    return found


@lru_cache(maxsize=16)
def _read_index(tar: str, path: Path, stamp: str) -> TarIndex:
    """Return the members of a tar, read once while it does not change."""
    del stamp  # another version is another index
    with open_regular_file(path) as file:
        return TarIndex.read(tar, file)


def _open(tar: Path, member: TarMember) -> io.BufferedReader:
    return io.BufferedReader(_FileSlice(open_regular_file(tar), member.offset, member.size))


class _FileSlice(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(22, "negative position")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        content = os.pread(self._file.fileno(), wanted, self._start + self._position)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()
