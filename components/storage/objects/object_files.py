"""The files of a store that are objects."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from components.storage.objects.object_store import ObjectStore
from components.storage.stages.seal import SEAL
from components.storage.store_files import FileFacts


class ObjectFiles:
    """The files of a store that are objects."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def list_facts(self, folder: str = "") -> dict[str, FileFacts]:
        """Return all objects below a folder by name."""
        return {name: FileFacts(*facts) for name, facts in self._objects.list_facts(folder).items()}

    def list_folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted."""
        return self._objects.list_folders(folder)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object; None where there is none."""
        return self._objects.read(name)

    def write(self, name: str, content: bytes) -> None:
        """Write an object."""
        self._objects.write(name, content)

    def mark(self, name: str) -> None:
        """Write an empty object."""
        self._objects.write(name, b"")

    def remove(self, name: str) -> None:
        """Remove an object, if there is one."""
        self._objects.remove(name)

    def copy_in(self, path: Path, name: str) -> None:
        """Upload a local file."""
        self._objects.upload(path, name)

    def digest(self, name: str) -> str | None:
        """Download an object and return its SHA-256; None where there is none."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "object")
            if not self._objects.download(name, path):
                return None
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def discard(self, folder: str) -> None:
        """Remove all objects of a folder: what finishes it first, its shards from the last to the first.

        A kill on the way leaves a stage that goes on after the shards that are left, or begins anew.
        """
        names = self._objects.list_names(folder)
        last = f"{folder}/claimed.json"
        for name in sorted(names, key=lambda name: (name != last, _finishes(name), name), reverse=True):
            self._objects.remove(name)

    def rename(self, old: str, new: str) -> None:
        """Copy all objects of a folder, what finishes it last; then discard the old ones."""
        names = self._objects.list_names(old)
        for name in sorted(names, key=lambda name: (_finishes(name), name)):
            self._objects.copy(name, new + name.removeprefix(old))
        self.discard(old)

    def empty_trash(self) -> None:
        """Do nothing: objects are removed at once."""


def _finishes(name: str) -> bool:
    """Return whether a file is the one that says that its stage or run is finished."""
    return name.rpartition("/")[2] in {SEAL, "run.json"}
