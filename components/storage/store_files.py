"""The files of a store by name, whether they lie in a folder or are objects: read, list, write, remove.

Names are relative to the store, with ``/``: ``stages/KEY/plan.json``.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from components.files.files import disk_full_as_store_error, open_atomically, write_bytes

TRASH = "trash"
"""Folder of a local store for what is being removed: a folder leaves its name at once, its files later."""


class FileFacts(NamedTuple):
    """Size of a file in bytes, and when it was last written, in seconds since 1970."""

    bytes: int
    modified: float


class StoreFiles(Protocol):
    """What can be done with the files of a store, on whatever storage."""

    def list_facts(self, folder: str = "") -> dict[str, FileFacts]:
        """Return all files below a folder by name."""

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file; None where there is none."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whether or not there is one."""

    def mark(self, name: str) -> None:
        """Make an empty file, visible to every process when this returns."""

    def remove(self, name: str, /) -> None:
        """Remove a file, if there is one."""

    def copy_in(self, path: Path, name: str) -> None:
        """Copy a local file into the store."""

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file, which is read again in any case; None where there is none."""

    def discard(self, folder: str) -> None:
        """Remove a folder, if it is there; a kill on the way leaves nothing finished that lacks files."""

    def rename(self, old: str, new: str) -> None:
        """Give a folder another name that nothing has."""

    def empty_trash(self) -> None:
        """Remove the files of discarded folders, also of those that a killed process discarded."""


class LocalFiles:
    """The files of a store in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list_facts(self, folder: str = "") -> dict[str, FileFacts]:
        """Return all files below a folder by name; what vanishes meanwhile is left out."""
        facts = {}
        for where, _, names in os.walk(self._root / folder):
            for name in names:
                path = Path(where, name)
                try:
                    status = path.lstat()
                except OSError:
                    continue
                facts[path.relative_to(self._root).as_posix()] = FileFacts(status.st_size, status.st_mtime)
        return facts

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""
        try:
            return sorted(entry.name for entry in os.scandir(self._root / folder) if entry.is_dir())
        except OSError:
            return []

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file; None where there is none."""
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file durably."""
        write_bytes(self._root / name, content)

    def mark(self, name: str) -> None:
        """Make an empty file."""
        path = self._root / name
        with disk_full_as_store_error(name, path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        (self._root / name).unlink(missing_ok=True)

    def copy_in(self, path: Path, name: str) -> None:
        """Copy a local file into the store, which sees it whole or not at all."""
        target = self._root / name
        with disk_full_as_store_error(name, target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_atomically(target) as file, path.open("rb") as source:
                shutil.copyfileobj(source, file)

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file; None where there is none."""
        try:
            with (self._root / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    def discard(self, folder: str) -> None:
        """Move a folder to the trash, in one step; another process may have done so already."""
        source = self._root / folder
        target = self._root / TRASH / f"{source.name}-{secrets.token_hex(4)}"
        while source.exists():  # another process may empty the trash between the two steps, or in one
            with suppress(FileNotFoundError, FileExistsError):
                target.parent.mkdir(exist_ok=True)
                source.rename(target)

    def rename(self, old: str, new: str) -> None:
        """Rename a folder, in one step."""
        (self._root / old).rename(self._root / new)

    def empty_trash(self) -> None:
        """Remove the trash."""
        shutil.rmtree(self._root / TRASH, ignore_errors=True)
