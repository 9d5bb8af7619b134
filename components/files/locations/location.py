"""Locations: a local path, a URL, or a member of an archive at one of these (``talks.tar#clip.wav``)."""

from __future__ import annotations

import os
import posixpath
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from components.errors import DataError
from components.files.locations.archives import ARCHIVES, archive_of
from components.files.locations.clients import CLIENTS
from components.files.redaction import redact

FilePath = str | os.PathLike[str]


MISSING = "missing audio"
UNREADABLE = "unreadable audio"
REFUSED = "refused location"
UNREACHABLE = "unreachable audio"
"""The server did not answer, or not in time: another attempt may succeed."""


class LocationError(DataError):
    """What a location names cannot be opened; ``reason`` is the short class that reports count by."""

    def __init__(self, location: FilePath, what: str, remedy: str | None = None, *, reason: str) -> None:
        super().__init__(f"{show_location(location)}: {what}" + (f"; {remedy}" if remedy else ""))
        self.reason = reason


class Location(NamedTuple):
    """A file, or a member of it.

    Attributes:
        file: local path or URL.
        member: name of a member of a tar, or COLUMN/ROW of a table; None for the file itself.
    """

    file: str
    member: str | None

    @property
    def is_remote(self) -> bool:
        """Whether the file is behind a URL."""
        return is_remote(self.file)


def is_remote(text: FilePath) -> bool:
    """Return whether a location is a URL of a known scheme, or a member of what is behind one."""
    scheme, colon, _ = os.fspath(text).partition("://")
    return bool(colon) and scheme in CLIENTS


def show_location(text: FilePath) -> str:
    """Return a location for a message: without the secrets that a URL may hold."""
    return redact(os.fspath(text)) if is_remote(text) else os.fspath(text)


@lru_cache(maxsize=1)
def _member_pattern() -> re.Pattern[str]:
    return re.compile(rf"(.+?\.(?:{'|'.join(map(re.escape, ARCHIVES))}))#(.+)", re.DOTALL)


def parse_location(text: FilePath) -> Location:
    """Read a location; a local file whose whole name looks like a member's is that file."""
    text = os.fspath(text)
    match = _member_pattern().fullmatch(text) if "#" in text and ARCHIVES else None
    if match is None or (not is_remote(text) and os.path.lexists(text)):
        return Location(text, None)
    return Location(match[1], match[2])


def absolute_location(text: FilePath) -> str:
    """Return a location that means the same in every folder."""
    location = parse_location(text)
    if location.is_remote:
        return os.fspath(text)
    file = str(Path(location.file).absolute())
    return file if location.member is None else f"{file}#{location.member}"


def file_name_of(text: FilePath) -> str:
    """Return the file name of a location, or its member's."""
    location = parse_location(text)
    if location.member is not None:
        return archive_of(location.file).file_name(location.file, location.member)
    if location.is_remote:
        path = urlsplit(location.file).path if location.file.startswith("http") else location.file
        return posixpath.basename(unquote(path) if location.file.startswith("http") else path)
    return Path(location.file).name


def folder_of(text: FilePath) -> str:
    """Return the location of the folder that a file lies in; names are looked up in it."""
    text = os.fspath(text)
    if not is_remote(text):
        return str(Path(text).parent)
    return text.partition("?")[0].rpartition("/")[0] if text.startswith("http") else text.rpartition("/")[0]


def join_location(folder: FilePath, name: str) -> str:
    """Return the location of ``name``, seen from a folder: an absolute path and a URL stand for themselves.

    Raises:
        LocationError: from a folder behind a URL, a name that leads out of it or to a local file.
    """
    folder = os.fspath(folder)
    if is_remote(name):
        return name
    if not is_remote(folder):
        return str(Path(folder) / name)
    if name.startswith("/") or ".." in name.split("/"):
        raise LocationError(
            folder, f"expected names below it, found {ascii(name)[:80]}", "correct it", reason=REFUSED
        )
    return f"{folder}/{name.removeprefix('./')}"


def too_large(url: str, limit: int) -> LocationError:
    """Return the error of a file with more than ``limit`` bytes."""
    return LocationError(
        url, f"expected at most {limit} bytes, found more", "split the file", reason=UNREADABLE
    )
