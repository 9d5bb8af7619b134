"""The files of a store that are objects."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from components.storage.objects.object_store import ObjectStore
from components.storage.stages.seal import SEAL


class ObjectFiles(ObjectStore):
    """The files of a store that are objects."""

    def mark(self, name: str) -> None:
        """Write an empty object."""
        self.write(name, b"")

    def copy_in(self, path: Path, name: str) -> None:
        """Upload a local file."""
        self.upload(path, name)

    def digest(self, name: str) -> str | None:
        """Download an object and return its SHA-256; None where there is none."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "object")
            if not self.download(name, path):
                return None
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def discard(self, folder: str) -> None:
        """Remove all objects of a folder: what finishes it first, its shards from the last to the first.

        A kill on the way leaves a stage that goes on after the shards that are left, or begins anew.
        """
        names = self.list_names(folder)
        last = f"{folder}/claimed.json"
        for name in sorted(names, key=lambda name: (name != last, _finishes(name), name), reverse=True):
            self.remove(name)

    def rename(self, old: str, new: str) -> None:
        """Copy all objects of a folder, what finishes it last; then discard the old ones."""
        names = self.list_names(old)
        for name in sorted(names, key=lambda name: (_finishes(name), name)):
            self.copy(name, new + name.removeprefix(old))
        self.discard(old)

    def empty_trash(self) -> None:
        """Do nothing: objects are removed at once."""


def _finishes(name: str) -> bool:
    """Return whether a file is the one that says that its stage or run is finished."""
    return name.rpartition("/")[2] in {SEAL, "run.json"}
