"""Where a store's folder is: on a disk that all its writers share, or on object storage with a copy here.

The stage protocol (stage_writer.py) is the same: it works in a local folder under ``root`` and tells its
place what it has done. A local place has nothing to add; a remote one sends and brings (docs/decisions/0012).
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
from components.records import StageRef
from components.storage import local_root, locks, resolve_store_url
from components.storage.lease import Lease
from components.storage.locks import LockWait
from components.storage.mirror import Mirror
from components.storage.seal import PLAN, SEAL, DamagedError, Seal, read_seal, verify_files


class LocalBackend:
    """A folder. ``url`` names the store for messages and for other processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    @contextmanager
    def lock(self, name: str, what: str, waiting: LockWait) -> Iterator[None]:
        """Be the one writer of ``name``, at most until this process dies. StoreError where another is."""
        with locks.hold_lock(self.root, name, what, waiting):
            yield

    # Stages. What a place is asked while one is written happens inside `held`.

    def download(self, key: str) -> Seal | None:
        """Have the stage here, verified, if it is finished; None where it is not. DamagedError."""
        folder = self.root / "stages" / key
        try:
            content = (folder / SEAL).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        seal = read_seal(content, str(folder / SEAL), key)
        verify_files(folder, seal)
        return seal

    def localize(self, ref: StageRef) -> StageRef:
        """A finished stage as it can be read on this machine, verified.

        Raises:
            StoreError: it is gone, damaged, or no longer what the reference says.
        """
        what = f"stage {ref.stage} ({ref.key[:12]}…)"
        try:
            seal = self.download(ref.key)
        except DamagedError as error:
            raise StoreError(f"{what} is damaged: {error}; run the flow that made it again") from error
        if seal is None:
            raise StoreError(
                f"{what}: expected it in {self.url}, found none; run the flow that made it again"
            )
        if seal.sha256 != ref.sha256:
            raise StoreError(
                f"{what}: expected outputs with sha256 {ref.sha256[:12]}…, as the run's record says, found "
                f"{seal.sha256[:12]}…: it is not what the run made; run the flow again"
            )
        return ref.model_copy(update={"path": str(self.root / "stages" / ref.key)})

    def set_aside(self, key: str) -> None:
        """Move a damaged stage out of the way, keeping it for whoever wants to look at it."""
        folder = self.root / "stages" / key
        if (folder / SEAL).exists():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            folder.rename(folder.with_name(f"{key}.damaged-{stamp}"))

    def read_shards(self, key: str) -> Iterator[bytes] | None:
        """Complete shards that were kept elsewhere, in order; None: what is in the folder counts."""
        return None

    def save_shard(self, key: str, number: int, shard: bytes) -> None:
        """A shard is complete: its line of the journal, its outputs, its errors."""

    def publish_stage(self, key: str, files: Iterable[str], seal: bytes) -> None:
        """All files of the stage are complete; the folder gets its seal next."""

    # Runs

    def has_run(self, name: str) -> bool:
        """Whether a run of that name was begun here, or was recorded anywhere."""
        return (self.root / "runs" / name).is_dir()

    def claim_run(self, name: str) -> bool:
        """Make the folder of a new run; False if there is one of that name."""
        try:
            (self.root / "runs" / name).mkdir(parents=True)
        except FileExistsError:
            return False
        return True

    def upload_run(self, name: str) -> None:
        """Files of the run's folder are new."""

    def download_run(self, name: str) -> None:
        """Have the run's record here, if there is one anywhere."""

    def list_run_names(self) -> list[str]:
        """Names of all runs."""
        return sorted(path.name for path in (self.root / "runs").glob("*") if path.is_dir())


class ObjectStoreBackend(LocalBackend):
    """Objects below an fsspec URL. Work is done in the mirror's folder, under the lock there and a lease."""

    def __init__(self, url: str) -> None:
        self._mirror = Mirror(url)
        self._objects = self._mirror.objects
        super().__init__(self._mirror.root)
        self.url = self._objects.url
        self._leases: dict[str, Lease] = {}

    @contextmanager
    def lock(self, name: str, what: str, waiting: LockWait) -> Iterator[None]:
        """As in a folder, and among all machines."""
        with super().lock(name, what, waiting):
            lease = Lease(self._objects, name, what, self._cache_id())
            with lease.hold(waiting):
                self._leases[name] = lease
                yield

    def download(self, key: str) -> Seal | None:
        """Copy it here, its digests verified."""
        return self._mirror.download(key)

    def set_aside(self, key: str) -> None:
        """Break its seals; what is here of it is used where it can be."""
        self._leases[key].check()
        self._objects.remove(f"stages/{key}/{SEAL}")
        (self.root / "stages" / key / SEAL).unlink(missing_ok=True)

    def read_shards(self, key: str) -> Iterator[bytes] | None:
        """The shard objects, up to the first that is missing."""
        kept = len(self._objects.list_names(f"stages/{key}/shards"))
        found = (self._objects.read(_shard_name(key, number)) for number in range(kept))
        return cast("Iterator[bytes]", takewhile(lambda shard: shard is not None, found))

    def save_shard(self, key: str, number: int, shard: bytes) -> None:
        """Any worker can go on after it now."""
        self._leases[key].check()
        self._objects.write(_shard_name(key, number), shard)

    def publish_stage(self, key: str, files: Iterable[str], seal: bytes) -> None:
        """Every file, then the seal, which one writer alone can make; then the shards have served."""
        folder = self.root / "stages" / key
        for name in (*files, PLAN):
            self._leases[key].check()
            self._objects.upload(folder / name, f"stages/{key}/{name}")
        self._leases[key].check()
        name = f"stages/{key}/{SEAL}"
        if not self._objects.create(name, seal) and self._objects.read(name) != seal:
            raise StoreError(f"stage {key[:12]}… was sealed by another; run the same command again")
        for name in self._objects.list_names(f"stages/{key}/shards"):
            self._objects.remove(name)

    def has_run(self, name: str) -> bool:
        """Also one that another machine began."""
        return super().has_run(name) or name in self.list_run_names()

    def claim_run(self, name: str) -> bool:
        """The name is taken where the objects are."""
        if not self._objects.create(f"runs/{name}/claimed.json", b"{}\n"):
            return False
        (self.root / "runs" / name).mkdir(parents=True, exist_ok=True)
        return True

    def upload_run(self, name: str) -> None:
        """Copy every file of the run there, its record last."""
        folder = self.root / "runs" / name
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        for path in sorted(files, key=lambda path: (path.name == "run.json", path)):
            self._objects.upload(path, f"runs/{name}/{path.relative_to(folder).as_posix()}")

    def download_run(self, name: str) -> None:
        """Copy its record here; plots and pages are made from it again."""
        for file in ("metrics.json", "run.json"):
            content = self._objects.read(f"runs/{name}/{file}")
            if content is not None:
                write_bytes(self.root / "runs" / name / file, content)

    def list_run_names(self) -> list[str]:
        """Runs of all machines."""
        return self._objects.list_folders("runs")

    def _cache_id(self) -> str:
        """A name of this mirror that no other has."""
        path = self.root / "mirror.json"
        with FileLock(self.root / "mirror.lock"):
            if not path.exists():
                write_bytes(path, json.dumps({"id": uuid.uuid4().hex, "url": self.url}).encode())
        return str(read_json(path)["id"])


def open_backend(url: str | None) -> LocalBackend:
    """The place that a store's URL names. ConfigError."""
    root = local_root(url)
    return ObjectStoreBackend(resolve_store_url(url)) if root is None else LocalBackend(root)


def _shard_name(key: str, number: int) -> str:
    return f"stages/{key}/shards/{number:04d}.jsonl"
