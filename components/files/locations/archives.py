"""Files that hold others, by the ending of their names: entries of ``antiphon.archives``."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple, Protocol

from components.extensions import Extensions, accept_methods

TAKEN_OUT = ".audio"
"""Ending of copies of members that have no names."""


class Member(NamedTuple):
    """A member of an archive that is to be opened.

    Attributes:
        archive: its location, for messages.
        path: of the archive on this machine.
        name: of the member in it.
        stamp: tells this version of the archive from others.
        limit: bytes that it may have.
    """

    archive: str
    path: Path
    name: str
    stamp: str
    limit: int


class Archive(Protocol):
    """A form of archives: what finds and opens members; a module may be one."""

    def file_name(self, archive: str, member: str) -> str:
        """Return the file name of a member, for people."""

    def open_member(self, member: Member) -> io.BufferedReader:
        """Open a member for reading. LocationError."""

    def extract_member(self, member: Member) -> Path:
        """Return a local file with what a member holds. LocationError."""


ARCHIVES: Extensions[Archive] = Extensions(
    "antiphon.archives", "archive", accept_methods("file_name", "open_member", "extract_member")
)
"""Ending of a file's name, without its dot -> what opens the members of such files."""


def archive_of(file: str) -> Archive:
    """Return what opens the members of a file with a known ending."""
    return ARCHIVES[file.rpartition(".")[2]]
