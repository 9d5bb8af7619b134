"""A store of objects below a URL, worked on in a local mirror."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from components.errors import StoreError
from components.files.files import read_json, write_bytes
from components.files.locations.location import file_name_of
from components.files.locations.opening import is_file
from components.run_record import StageRef
from components.storage.objects.lease import Lease, is_leased
from components.storage.objects.mirror import Mirror
from components.storage.places.local_backend import LocalBackend
from components.storage.places.locks import LockWait
from components.storage.runs.run_records import CLAIMED, METRICS, RECORD
from components.storage.runs.usage_leases import UsageLeases
from components.storage.shards.shard import ShardHeader, shard_name
from components.storage.stages.reader import find_audio, read_utterances
from components.storage.stages.seal import SEAL, Seal

_LISTINGS = 16
"""Folders of shards whose names are listed at a time."""


class ObjectStoreBackend(LocalBackend):
    """A store of objects below a URL.

    Work is done in the folder of the local mirror, under the lock there and a lease among machines.
    """

    def __init__(self, url: str) -> None:
        self._mirror = Mirror(url)
        self._objects = self._mirror.objects
        super().__init__(self._mirror.root)
        self.url = self._objects.url
        self.files = self._objects
        self.uses = UsageLeases(self.url, self.files, None, self.lock_prune)  # its readers read copies
        self._leases: dict[str, Lease] = {}

    @contextmanager
    def lock(self, name: str, what: str, waiting: LockWait) -> Iterator[None]:
        """Be the only writer of ``name`` among all machines."""
        with super().lock(name, what, waiting):
            lease = Lease(self._objects, name, what, self._cache_id())
            with lease.hold(waiting):
                self._leases[name] = lease
                try:
                    yield
                finally:
                    del self._leases[name]

    def is_locked(self, name: str) -> bool:
        """Return whether a process of any machine holds the lease ``name``, or may hold it."""
        return is_leased(self._objects, name)

    def download(self, key: str) -> Seal | None:
        """Copy a finished stage to the mirror and verify it."""
        self.uses.note(key)
        return self._mirror.download(key)

    def bring_stage(self, key: str) -> None:
        """Copy a stage to the mirror, and verify it."""
        self.download(key)

    def localize(self, ref: StageRef) -> StageRef:
        """Return a finished stage as it can be read here, with recordings that came with an imported run."""
        here = super().localize(ref)
        if ref.content is not None:
            self._fetch_audio(here)
        return here

    def _fetch_audio(self, data: StageRef) -> None:
        """Download the recordings of utterances that the store has and this machine has not."""
        stored = set(self._objects.list_names("audio"))
        for utterance in read_utterances(data) if stored else ():
            if utterance.audio is not None and not is_file(utterance.audio.path):
                suffix = Path(file_name_of(utterance.audio.path)).suffix
                path = find_audio(self.root, utterance.audio.sha256, suffix)
                name = path.relative_to(self.root).as_posix()
                if name in stored:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
                    if self._objects.download(name, fresh):  # it may have been removed meanwhile
                        fresh.replace(path)

    def set_aside(self, key: str) -> None:
        """Remove the seal of a damaged or stale stage, and a finished copy here; what is begun here stays."""
        self._leases[key].check()
        self._objects.remove(f"stages/{key}/{SEAL}")
        folder = self.root / "stages" / key
        if (folder / SEAL).exists():
            shutil.rmtree(folder)

    def read_shard(self, key: str) -> bytes | None:
        """Return the bytes of a shard, from the copy here if that is whole; it is stored again if need be."""
        content = self._mirror.read_shard(key)
        if content is not None and not self._objects.exists(shard_name(key)):
            self._objects.create(shard_name(key), content)
        return content

    def read_headers(self, keys: Iterable[str]) -> dict[str, ShardHeader]:
        """Return the headers of those of shards that are stored and whole, which are copied to the mirror.

        One that is here alone is not among them: :meth:`read_shard` stores it again.
        """
        stored = self.find_shards(keys)
        here = super().read_headers(stored)
        self._mirror.bring_shards(missing := stored - here.keys())
        return here | super().read_headers(missing)

    def bring_shards(self, keys: Iterable[str]) -> None:
        """Copy shards to the mirror."""
        self._mirror.bring_shards(keys)

    def find_shards(self, keys: Iterable[str]) -> set[str]:
        """Return those of shards that are stored, by a look at the names of their folders, many at a time."""
        names = {shard_name(key): key for key in keys}
        folders = {name.rpartition("/")[0] for name in names}
        with ThreadPoolExecutor(_LISTINGS, thread_name_prefix="list") as pool:
            stored = {name for listing in pool.map(self._objects.list_names, folders) for name in listing}
        return {key for name, key in names.items() if name in stored}

    def create_shard(self, key: str, content: bytes) -> bool:
        """Store a shard that no machine has stored; of several writers at once one succeeds."""
        is_new = self._objects.create(shard_name(key), content)
        if is_new:
            super().replace_shard(key, content)
        return is_new

    def replace_shard(self, key: str, content: bytes) -> None:
        """Store a shard in the place of another, here as well; one that is replaced meanwhile is left."""
        self._swap(shard_name(key), content)
        super().replace_shard(key, content)

    def _swap(self, name: str, content: bytes) -> None:
        """Write an object in the place of the one that is there now, unless another process does so first."""
        present = self._objects.read_object(name)
        self._objects.update(name, content, None if present is None else present.version)

    def publish_stage(self, key: str, files: Iterable[str], seal: bytes) -> None:
        """Upload every file, then the seal. One of files is created by one writer alone."""
        folder = self.root / "stages" / key
        for name in files:
            self._leases[key].check()
            self._objects.upload(folder / name, f"stages/{key}/{name}")
        if key in self._leases:
            self._leases[key].check()
        name = f"stages/{key}/{SEAL}"
        if self._objects.create(name, seal):
            return
        if any(files) and self._objects.read(name) != seal:
            raise StoreError(f"stage {key[:12]}… was sealed by another process; run the same command again")
        self._swap(name, seal)  # of shards, which are stored already

    def has_run(self, name: str) -> bool:
        """Return whether any machine has begun or recorded a run of that name."""
        return super().has_run(name) or name in self.list_run_names()

    def claim_run(self, name: str) -> bool:
        """Claim the name of a new run among all machines; return False if it is in use."""
        if not self._objects.create(f"runs/{name}/{CLAIMED}", b"{}\n"):
            return False
        (self.root / "runs" / name).mkdir(parents=True, exist_ok=True)
        return True

    def upload_run(self, name: str) -> None:
        """Upload every file of the run, its record after them, and its scores last.

        A kill in between leaves no scores of one run beside another's record.
        """
        folder = self.root / "runs" / name
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
        # Read first: whoever lists the runs meanwhile brings back here those of a run that is replaced.
        last = {file: (folder / file).read_bytes() for file in (RECORD, METRICS) if (folder / file).exists()}
        self._objects.remove(f"runs/{name}/{METRICS}")
        for path in sorted(files):
            if (file := path.relative_to(folder).as_posix()) not in last:
                self._objects.upload(path, f"runs/{name}/{file}")
        for file, content in last.items():
            self._objects.write(f"runs/{name}/{file}", content)

    def download_run(self, name: str) -> bool:
        """Download the run's record; plots and pages are made from it again."""
        folder, content = self.root / "runs" / name, None
        for file in (METRICS, RECORD):
            content = self._objects.read(f"runs/{name}/{file}")
            if content is not None:
                write_bytes(folder / file, content)
            elif file == METRICS:
                (folder / file).unlink(missing_ok=True)
        return content is not None

    def forget_run(self, name: str) -> None:
        """Remove the mirror's copy of a run."""
        shutil.rmtree(self.root / "runs" / name, ignore_errors=True)

    def list_run_names(self) -> list[str]:
        """Return the names of the runs of all machines."""
        return self._objects.list_folders("runs")

    def list_record_times(self) -> dict[str, float | None]:
        """Return when the record of each run was written, as the object store says."""
        facts = self._objects.list_facts("runs")
        return {name: facts.get(f"runs/{name}/{RECORD}", (0, None))[1] for name in self.list_run_names()}

    def _cache_id(self) -> str:
        """Return the identifier of this mirror, which no other mirror has."""
        path = self.root / "mirror.json"
        with FileLock(self.root / "mirror.lock"):
            if not path.exists():
                write_bytes(path, json.dumps({"id": uuid.uuid4().hex, "url": self.url}).encode())
        return str(read_json(path)["id"])
