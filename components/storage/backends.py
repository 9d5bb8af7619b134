"""Storage backends: a local (shared) folder, or an object store with a local mirror.

The stage writer works in a local folder below ``root`` in either case and tells its backend what it has done.
A local backend has nothing to add; an object store uploads and downloads (docs/decisions/0012).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import cast

from filelock import FileLock

from components.errors import StoreError
from components.files import read_json, write_bytes
from components.run_record import StageRef
from components.storage import locks
from components.storage.lease import Lease
from components.storage.location import local_root, resolve_store_url
from components.storage.locks import LockWait
from components.storage.mirror import Mirror
from components.storage.seal import PLAN, SEAL, DamagedError, Seal, read_seal, verify_files


class LocalBackend:
    """A store in a folder. ``url`` names it in messages and for other processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    @contextmanager
    def lock(self, name: str, what: str, waiting: LockWait) -> Iterator[None]:
        """Be the only writer of ``name`` while the block runs, or until this process dies.

        Args:
            name: the lock: the key of a stage, or a run's name after ``RUN_PREFIX``.
            what: what is locked, for messages.
            waiting: how long to wait for another writer.

        Raises:
            StoreError: another process still writes it at the end of the waiting time.
        """
        with locks.hold_lock(self.root, name, what, waiting):
            yield

    # Stages. While one is written, these are called inside `lock`.

    def download(self, key: str) -> Seal | None:
        """Make a finished stage available here and verify it.

        Returns:
            Its seal; None where it is not finished.

        Raises:
            DamagedError: a file is missing or is not what the seal says.
        """
        folder = self.root / "stages" / key
        try:
            content = (folder / SEAL).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        seal = read_seal(content, str(folder / SEAL), key)
        verify_files(folder, seal)
        return seal

    def localize(self, ref: StageRef) -> StageRef:
        """Return a finished stage as it can be read on this machine, verified.

        Raises:
            StoreError: it is gone, damaged, or no longer what the reference says.
        """
        what = f"stage {ref.stage} ({ref.key[:12]}…)"
        try:
            seal = self.download(ref.key)
        except DamagedError as error:
            raise StoreError(f"{what} is damaged: {error}; repeat the run that computed it") from error
        if seal is None:
            raise StoreError(
                f"{what}: expected it in {self.url}, found none; repeat the run that computed it"
            )
        if seal.sha256 != ref.sha256:
            raise StoreError(
                f"{what}: expected outputs with sha256 {ref.sha256[:12]}…, as the run's record says, found "
                f"{seal.sha256[:12]}…: it was computed anew since; repeat the run"
            )
        return ref.model_copy(update={"path": str(self.root / "stages" / ref.key)})

    def set_aside(self, key: str) -> None:
        """Move a damaged stage out of the way; it is kept for inspection."""
        folder = self.root / "stages" / key
        if (folder / SEAL).exists():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            folder.rename(folder.with_name(f"{key}.damaged-{stamp}"))

    def read_shards(self, key: str) -> Iterator[bytes] | None:
        """Yield complete shards that are stored elsewhere, in order; None: the folder's own files count."""
        return None

    def save_shard(self, key: str, number: int, shard: bytes) -> None:
        """Store a complete shard: its journal line, its outputs, its errors."""

    def publish_stage(self, key: str, files: Iterable[str], seal: bytes) -> None:
        """Publish a stage whose files are all complete; its seal is written to the folder afterwards."""

    # Runs

    def has_run(self, name: str) -> bool:
        """Return whether a run of that name was begun here, or is recorded anywhere."""
        return (self.root / "runs" / name).is_dir()

    def claim_run(self, name: str) -> bool:
        """Create the folder of a new run; return False if the name is in use."""
        try:
            (self.root / "runs" / name).mkdir(parents=True)
        except FileExistsError:
            return False
        return True

    def upload_run(self, name: str) -> None:
        """Publish the files of the run's folder."""

    def download_run(self, name: str) -> None:
        """Make the run's record available here, if there is one anywhere."""

    def list_run_names(self) -> list[str]:
        """Return the names of all runs."""
        return sorted(path.name for path in (self.root / "runs").glob("*") if path.is_dir())


class ObjectStoreBackend(LocalBackend):
    """A store of objects below an fsspec URL.

    Work is done in the folder of the local mirror, under the lock there and a lease among machines.
    """

    def __init__(self, url: str) -> None:
        self._mirror = Mirror(url)
        self._objects = self._mirror.objects
        super().__init__(self._mirror.root)
        self.url = self._objects.url
        self._leases: dict[str, Lease] = {}

    @contextmanager
    def lock(self, name: str, what: str, waiting: LockWait) -> Iterator[None]:
        """Be the only writer of ``name`` among all machines."""
        with super().lock(name, what, waiting):
            lease = Lease(self._objects, name, what, self._cache_id())
            with lease.hold(waiting):
                self._leases[name] = lease
                yield

    def download(self, key: str) -> Seal | None:
        """Copy a finished stage to the mirror and verify it."""
        return self._mirror.download(key)

    def set_aside(self, key: str) -> None:
        """Remove the seals of a damaged stage; the local files are reused where they can be."""
        self._leases[key].check()
        self._objects.remove(f"stages/{key}/{SEAL}")
        (self.root / "stages" / key / SEAL).unlink(missing_ok=True)

    def read_shards(self, key: str) -> Iterator[bytes] | None:
        """Yield the shard objects up to the first that is missing."""
        count = len(self._objects.list_names(f"stages/{key}/shards"))
        shards = (self._objects.read(_shard_name(key, number)) for number in range(count))
        return cast("Iterator[bytes]", takewhile(lambda shard: shard is not None, shards))

    def save_shard(self, key: str, number: int, shard: bytes) -> None:
        """Upload a shard, so that any machine can go on after it."""
        self._leases[key].check()
        self._objects.write(_shard_name(key, number), shard)

    def publish_stage(self, key: str, files: Iterable[str], seal: bytes) -> None:
        """Upload every file, then the seal, which one writer alone can create; then remove the shards."""
        folder = self.root / "stages" / key
        for name in (*files, PLAN):
            self._leases[key].check()
            self._objects.upload(folder / name, f"stages/{key}/{name}")
        self._leases[key].check()
        name = f"stages/{key}/{SEAL}"
        if not self._objects.create(name, seal) and self._objects.read(name) != seal:
            raise StoreError(f"stage {key[:12]}… was sealed by another process; run the same command again")
        for name in self._objects.list_names(f"stages/{key}/shards"):
            self._objects.remove(name)

    def has_run(self, name: str) -> bool:
        """Return whether any machine has begun or recorded a run of that name."""
        return super().has_run(name) or name in self.list_run_names()

    def claim_run(self, name: str) -> bool:
        """Claim the name of a new run among all machines; return False if it is in use."""
        if not self._objects.create(f"runs/{name}/claimed.json", b"{}\n"):
            return False
        (self.root / "runs" / name).mkdir(parents=True, exist_ok=True)
        return True

    def upload_run(self, name: str) -> None:
        """Upload every file of the run, its record last."""
        folder = self.root / "runs" / name
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        for path in sorted(files, key=lambda path: (path.name == "run.json", path)):
            self._objects.upload(path, f"runs/{name}/{path.relative_to(folder).as_posix()}")

    def download_run(self, name: str) -> None:
        """Download the run's record; plots and pages are made from it again."""
        for file in ("metrics.json", "run.json"):
            content = self._objects.read(f"runs/{name}/{file}")
            if content is not None:
                write_bytes(self.root / "runs" / name / file, content)

    def list_run_names(self) -> list[str]:
        """Return the names of the runs of all machines."""
        return self._objects.list_folders("runs")

    def _cache_id(self) -> str:
        """Return the identifier of this mirror, which no other mirror has."""
        path = self.root / "mirror.json"
        with FileLock(self.root / "mirror.lock"):
            if not path.exists():
                write_bytes(path, json.dumps({"id": uuid.uuid4().hex, "url": self.url}).encode())
        return str(read_json(path)["id"])


def open_backend(url: str | None) -> LocalBackend:
    """Open the backend that a store's URL names.

    Raises:
        ConfigError: the URL is wrong, or no client is installed for it.
    """
    root = local_root(url)
    return ObjectStoreBackend(resolve_store_url(url)) if root is None else LocalBackend(root)


def _shard_name(key: str, number: int) -> str:
    return f"stages/{key}/shards/{number:04d}.jsonl"
