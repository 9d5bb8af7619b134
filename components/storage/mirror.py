"""The local copy of a store that is elsewhere: finished stages, brought here whole and verified."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path, PurePosixPath

from filelock import FileLock

from components.errors import StoreError
from components.models.digests import cache_folder, sha256_of
from components.storage.objects import Objects

SEAL = "DONE.json"


class DamagedError(StoreError):
    """A finished stage is not what its seal says."""


class Mirror:
    """Objects and the folder on this machine that has copies of them, laid out alike.

    The folder is ``ANTIPHON_CACHE``/stores/NAME, NAME by the URL; deleting it loses nothing that is sealed.
    """

    def __init__(self, url: str) -> None:
        self.objects = Objects(url)
        name = hashlib.sha256(self.objects.url.encode()).hexdigest()[:16]
        self.root = cache_folder() / "stores" / name

    def bring(self, key: str) -> bool:
        """Have the finished stage here, as it is there; False where it is not finished there.

        Raises:
            DamagedError: a file there is not what the seal says.
        """
        seal = self.objects.read(f"stages/{key}/{SEAL}")
        if seal is None:
            return False
        folder = self.root / "stages" / key
        if _intact(folder, seal):
            return True
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{key}.lock")):  # of those on this machine one copies
            if not _intact(folder, seal):
                self._copy(key, seal, folder)
        return True

    def match(self, start: str) -> list[str]:
        """Keys of the stages there that begin so."""
        return [name for name in self.objects.folders("stages") if name.startswith(start)]

    def _copy(self, key: str, seal: bytes, folder: Path) -> None:
        fresh = folder.with_name(f".{key}.{os.getpid()}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            for name, expected in sealed_files(seal, f"{self.objects.url}/stages/{key}/{SEAL}").items():
                path = fresh / name
                path.parent.mkdir(parents=True, exist_ok=True)
                self.objects.download(f"stages/{key}/{name}", path)
                if (found := sha256_of(path)) != expected:
                    raise DamagedError(
                        f"{self.objects.url}/stages/{key}/{name}: expected sha256 {expected[:12]}…, as "
                        f"{SEAL} says, found {found[:12]}…; it was changed or damaged"
                    )
            plan = self.objects.read(f"stages/{key}/plan.json")
            if plan is not None:
                (fresh / "plan.json").write_bytes(plan)
            (fresh / SEAL).write_bytes(seal)
            if folder.exists():  # what this machine had begun
                old = folder.with_name(f".{key}.{os.getpid()}.old")
                folder.rename(old)
                shutil.rmtree(old)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def sealed_files(seal: bytes, where: str) -> dict[str, str]:
    """Names and digests in a seal. DamagedError where it is damaged or names a file outside of its stage."""
    try:
        files = dict(json.loads(seal)["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{where}: expected files with their sha256, found: {error!r}") from error
    for name in files:
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
            raise DamagedError(f"{where}: expected names of files inside the stage, found {name!r}")
    return files


def _intact(folder: Path, seal: bytes) -> bool:
    """Whether the copy in a folder is whole and is the one with this seal."""
    try:
        if (folder / SEAL).read_bytes() != seal:
            return False
        files = sealed_files(seal, str(folder / SEAL))
        return all(sha256_of(folder / name) == expected for name, expected in files.items())
    except OSError:
        return False
