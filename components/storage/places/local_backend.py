"""The storage backend of a store in a local (shared) folder, and what every backend can do.

The stage writer works in a local folder below ``root`` in either case and tells its backend what it has done.
A local backend has nothing to add; an object store uploads and downloads (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from components.errors import StoreError
from components.files.files import create_durably, disk_full_as_store_error, write_bytes
from components.run_record import StageRef
from components.storage.places import locks
from components.storage.places.locks import LockWait
from components.storage.runs.run_records import RECORD
from components.storage.runs.usage_leases import PRUNE, UsageLeases
from components.storage.shards.shard import DamagedError, ShardHeader, shard_name
from components.storage.shards.verified import read_headers, verify_shards
from components.storage.stages.seal import SEAL, Seal, read_seal, verify_files
from components.storage.store_files import LocalFiles, StoreFiles


class LocalBackend:
    """A store in a folder. ``url`` names it in messages and for other processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)
        self.files: StoreFiles = LocalFiles(root)
        self.uses = UsageLeases(self.url, self.files, root, self.lock_prune)

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

    def lock_prune(self, seconds: float | None = None) -> AbstractContextManager[None]:
        """Be the only process that removes stages; waits ``ANTIPHON_LOCK_SECONDS`` if not told otherwise."""
        seconds = locks.lock_seconds() if seconds is None else seconds
        return self.lock(PRUNE, "the store", LockWait("the store", seconds, "try again later", "pruned"))

    def hold_local_lock(self, name: str, what: str) -> AbstractContextManager[None]:
        """Hold a lock among the processes that share the folder here."""
        return locks.hold_lock(self.root, name, what, LockWait(what, locks.lock_seconds()))

    def is_locked(self, name: str) -> bool:
        """Return whether a process holds the lock ``name``."""
        return locks.is_held(locks.path_of(self.root, name))

    # Stages. While one is written, these are called inside `lock`.

    def download(self, key: str) -> Seal | None:
        """Make a finished stage available here and verify it.

        Returns:
            Its seal; None where it is not finished.

        Raises:
            DamagedError: a file is missing or is not what the seal says.
        """
        self.uses.note(key)
        folder = self.root / "stages" / key
        try:
            content = (folder / SEAL).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        seal = read_seal(content, str(folder / SEAL), key)
        verify_files(folder, seal)
        verify_shards({self.root / shard_name(shard.key): shard for shard in seal.shards})
        return seal

    def bring_stage(self, key: str) -> None:
        """Make the files of a stage available here, unverified; it is noted as in use."""
        self.uses.note(key)

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

    # Shards

    def read_shard(self, key: str) -> bytes | None:
        """Return the bytes of a shard, unverified; None where there is none."""
        try:
            return (self.root / shard_name(key)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_headers(self, keys: Iterable[str]) -> dict[str, ShardHeader]:
        """Return the headers of those of shards that are stored and whole."""
        return read_headers({key: self.root / shard_name(key) for key in keys})

    def bring_shards(self, keys: Iterable[str]) -> None:
        """Make shards available in the folder here, as far as they are stored."""

    def find_shards(self, keys: Iterable[str]) -> set[str]:
        """Return those of shards that are stored, which are not verified."""
        return {key for key in keys if (self.root / shard_name(key)).exists()}

    def create_shard(self, key: str, content: bytes) -> bool:
        """Store a shard that is not there; return False where another process has stored it."""
        path = self.root / shard_name(key)
        with disk_full_as_store_error(f"shard {key[:12]}…", path.parent):
            return create_durably(path, content)

    def replace_shard(self, key: str, content: bytes) -> None:
        """Store a shard in the place of one that is damaged, or made from what has changed."""
        write_bytes(self.root / shard_name(key), content)

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

    def download_run(self, name: str) -> bool:
        """Make the run's record available here; return whether there is one anywhere."""
        return (self.root / "runs" / name / RECORD).exists()

    def forget_run(self, name: str) -> None:
        """Remove what this machine has of a run that was deleted or renamed."""

    def tidy(self) -> None:
        """Remove the locks and notes of dead processes."""
        locks.clean_up(self.root)
        self.uses.clean_up()

    def list_run_names(self) -> list[str]:
        """Return the names of all runs."""
        return sorted(path.name for path in (self.root / "runs").glob("*") if path.is_dir())

    def list_record_times(self) -> dict[str, float | None]:
        """Return when the record of each run was written (seconds since 1970); None of a run without one."""
        times: dict[str, float | None] = dict.fromkeys(self.list_run_names())
        for name in times:
            with suppress(OSError):
                times[name] = (self.root / "runs" / name / RECORD).stat().st_mtime
        return times
