"""Local mirror of an object store: finished stages, copied whole and verified."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from filelock import FileLock

from components.files.digests import cache_folder
from components.files.files import write_bytes
from components.storage.objects.object_store import ObjectStore
from components.storage.shards.shard import DamagedError, ShardEntry, check_shard, decode_shard, shard_name
from components.storage.stages.seal import SEAL, Seal, read_seal, verify_files

_DOWNLOADS = 8
"""Shards that are fetched at a time."""


class Mirror:
    """Objects of a store and the local folder with copies of them, laid out alike.

    The folder is ``ANTIPHON_CACHE/stores/NAME``, where NAME is a digest of the URL; deleting it loses nothing
    that is sealed.
    """

    def __init__(self, url: str) -> None:
        self.objects = ObjectFiles(url)
        name = hashlib.sha256(self.objects.url.encode()).hexdigest()[:16]
        self.root = cache_folder() / "stores" / name

    def download(self, key: str) -> Seal | None:
        """Copy a finished stage here, unless an intact copy is here already.

        Returns:
            Its seal; None where the stage is not finished in the object store.

        Raises:
            DamagedError: a file of the object store is missing, or is not what the seal says.
        """
        content = self.objects.read(f"stages/{key}/{SEAL}")
        if content is None:
            return None
        seal = read_seal(content, f"{self.objects.url}/stages/{key}/{SEAL}", key)
        self._copy_shards(seal.shards)
        folder = self.root / "stages" / key
        if _is_intact(folder, seal, content):
            return seal
        with FileLock(folder.with_name(f".{key}.lock")):  # of those on this machine one copies
            if not _is_intact(folder, seal, content):
                self._copy(seal, content, folder)
        return seal

    def read_shard(self, key: str) -> bytes | None:
        """Return the bytes of a shard, which are kept here; None where it is not in the object store."""
        path = self.root / shard_name(key)
        try:
            content = path.read_bytes()
            decode_shard(content, str(path), key)
            return content
        except (OSError, DamagedError):
            stored = self.objects.read(shard_name(key))
        if stored is not None:
            write_bytes(path, stored)
        return stored

    def bring_shards(self, keys: Iterable[str]) -> None:
        """Copy shards here, several at a time, as far as they are stored."""
        with ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="bring") as pool:
            for _ in pool.map(self.read_shard, keys):
                pass

    def _copy_shards(self, shards: Iterable[ShardEntry]) -> None:
        """Copy the shards of a stage here, several at a time.

        Raises:
            DamagedError: one is missing, or is not what the stage was made from.
        """
        with ThreadPoolExecutor(_DOWNLOADS, thread_name_prefix="download") as pool:
            for _ in pool.map(self._copy_shard, shards):
                pass

    def _copy_shard(self, shard: ShardEntry) -> None:
        check_shard(shard, self.read_shard(shard.key), f"{self.objects.url}/{shard_name(shard.key)}")

    def _copy(self, seal: Seal, content: bytes, folder: Path) -> None:
        for left in folder.parent.glob(f".{folder.name}.*.*"):  # of those that were killed while they copied
            shutil.rmtree(left, ignore_errors=True)
        fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
        try:
            stage = f"stages/{folder.name}"
            fresh.mkdir(parents=True, exist_ok=True)
            for name in seal.files:
                path = fresh / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if not self.objects.download(f"{stage}/{name}", path):
                    raise DamagedError(f"{self.objects.url}/{stage}/{name}: expected a file, found none")
            verify_files(fresh, seal, f"{self.objects.url}/{stage}")
            (fresh / SEAL).write_bytes(content)
            if folder.exists():  # what this machine had begun
                old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
                folder.rename(old)
                shutil.rmtree(old)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _is_intact(folder: Path, seal: Seal, content: bytes) -> bool:
    """Return whether the copy in a folder is whole and has this seal."""
    try:
        if (folder / SEAL).read_bytes() != content:
            return False
        verify_files(folder, seal)
    except (OSError, DamagedError):
        return False
    return True


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
