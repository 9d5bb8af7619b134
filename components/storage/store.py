"""The content-addressed store: shards and finished stages by key, runs by name.

``STORE/shards/<ab>/``   ``<key>.jsonl``, one object per shard: what it is, then an outcome a line
``STORE/stages/<key>/``  files of what is made in one piece, and ``stage.json`` (last; stages/seal.py)
``STORE/runs/<name>/``   run.json, metrics.json, report.html, plots/
``STORE/locks/``         one lock per stage or run at work, freed by the system when its process dies
``STORE/uses/``          the stages that a process reads or writes (uses.py)
``STORE/layout.json``    the version of all this

On object storage the same names are objects (backends.py); ``root`` is then the mirror on this machine.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.errors import ConfigError, StoreError, UnknownRunError
from components.files.files import disk_full_as_store_error
from components.run_record import RUN_NAME, RunRecord, StageRef
from components.storage.layout import check_layout, mark_layout
from components.storage.places import locks
from components.storage.places.backends import open_backend
from components.storage.runs.run_records import FAILED, METRICS, RECORD, read_record, write_record
from components.storage.shards.shard import DamagedError, ShardHeader, decode_shard, shard_name, split_lines
from components.storage.stages.seal import Seal, stage_ref
from components.storage.stages.stage_plan import StagePlan
from components.text.suggestions import did_you_mean

log = logging.getLogger("antiphon.store")


WINDOWS = "windows"
"""Folder for the windows of recordings of shards at work (stages/window_journal.py)."""


def check_run_name(name: str) -> str:
    """Return the name, if it can be the name of a folder and of nothing else.

    Raises:
        ConfigError: separators, a leading dot, odd characters or more than 100 of them.
    """
    if not re.fullmatch(RUN_NAME, name):
        raise ConfigError(
            f"expected a run name of letters, digits, '.', '_' and '-' (at most 100, no leading dot), "
            f"found {name!r}"
        )
    return name


class Store:
    """Stages and runs on disk. Safe for several processes; on object storage, for several machines."""

    def __init__(self, url: str | None = None) -> None:
        self.backend = open_backend(url)
        check_layout(self.backend.url, self.backend.files)
        self.root = self.backend.root
        self.stages = self.root / "stages"
        self.runs = self.root / "runs"
        self.windows = self.root / WINDOWS

    # Stages

    def stage_folder(self, key: str) -> Path:
        """Return the folder of the stage with this key, whether or not it exists."""
        return self.stages / key

    def find_stage(self, plan: StagePlan, read_digests: Mapping[str, str] | None = None) -> StageRef | None:
        """Return the finished stage of a plan with its files and shards verified, or None.

        A finished stage that does not match its seal is logged as a warning and not returned: whoever opens
        it for writing computes again what is damaged.

        Args:
            plan: the stage's.
            read_digests: digests of the stages that it reads now, by role; a stage that was computed from
                others is stale and not returned.
        """
        try:
            seal = self.backend.download(plan.key)
        except DamagedError as error:
            log.warning("stage %s is damaged and will be computed again: %s", plan.stage, error)
            return None
        if seal is None:
            return None
        changed = [role for role, sha in (read_digests or {}).items() if seal.read.get(role, sha) != sha]
        if changed:
            log.warning(
                "stage %s is stale and will be computed again: what it reads as %s has changed",
                *(plan.stage, ", ".join(changed)),
            )
            return None
        ref = stage_ref(seal, self.stage_folder(plan.key), reused=True)
        return ref.model_copy(update={"stage": plan.stage, "kind": plan.kind})

    def load_plan(self, key: str) -> StagePlan:
        """Return the plan of a finished stage, verified.

        Raises:
            StoreError: there is no such stage, or it is damaged.
        """
        return StagePlan.model_validate(self.load_seal(key).plan)

    def load_seal(self, key: str) -> Seal:
        """Return the seal of a finished stage, all that it names verified.

        Raises:
            StoreError: there is no such stage, or it is damaged.
        """
        try:
            seal = self.backend.download(key)
        except DamagedError as error:
            raise StoreError(
                f"stage {key[:12]}… is damaged: {error}; repeat the run that computed it"
            ) from error
        if seal is None:
            raise StoreError(f"expected a finished stage {key[:12]}… in {self.backend.url}, found none")
        return seal

    def localize(self, ref: StageRef) -> StageRef:
        """Return a finished stage, which another machine may have named, as it can be read here.

        Raises:
            StoreError: it is gone, damaged, or no longer what the reference says.
        """
        return self.backend.localize(ref)

    # Shards

    def find_shard(self, key: str, read: Mapping[str, tuple[str, str]] | None = None) -> ShardHeader | None:
        """Return the header of a shard that is stored and whole, or None.

        Args:
            key: its address.
            read: what it would be computed from now; one that was made from others is stale and not returned.
        """
        content = self.backend.read_shard(key)
        if content is None:
            return None
        try:
            header, _ = decode_shard(content, shard_name(key), key)
        except DamagedError as error:
            log.warning("a shard is damaged and will be computed again: %s", error)
            return None
        if not header.is_made_from(read):
            log.warning("a shard of %s is stale and will be computed again", header.stage)
            return None
        return header

    def find_shards(self, keys: Iterable[str]) -> dict[str, ShardHeader]:
        """Return the headers of those of some shards that are stored and whole, all of them at once."""
        return self.backend.read_headers(keys)

    def read_lines(self, key: str) -> Iterator[tuple[bool, bytes]]:
        """Yield the lines of a shard, verified, and before each whether its input could be processed.

        Raises:
            DamagedError: it is gone, or not what was sealed.
        """
        content = self.backend.read_shard(key)
        if content is None:
            raise DamagedError(f"{self.backend.url}/{shard_name(key)}: expected a shard, found none")
        return split_lines(decode_shard(content, shard_name(key), key)[1])

    def add_shard(self, header: ShardHeader, content: bytes) -> ShardHeader:
        """Store a shard; where another process has stored it meanwhile, that one counts.

        Returns:
            The header of the shard that counts.
        """
        self.mark_layout()
        if self.backend.create_shard(header.key, content):
            return header
        present = self.find_shard(header.key, header.read)
        if present is None:  # it is damaged, or made from what has changed since
            self.backend.replace_shard(header.key, content)
        return present or header

    # Runs

    def run_folder(self, name: str) -> Path:
        """Return the folder of the run ``name``; it need not exist.

        Raises:
            ConfigError: the name cannot be a folder's.
        """
        return self.runs / check_run_name(name)

    @contextmanager
    def claim_run(self, flow: str, name: str | None = None, *, replace: bool = False) -> Iterator[Path]:
        """Hold the folder of a run while the block runs.

        Args:
            flow: names the run, after the time, unless ``name`` is given.
            name: the run's name.
            replace: whether a finished run of that name may be replaced.

        Raises:
            ConfigError: there is a finished run of that name, and it is not to be replaced. One that was
                killed before its last file, ``metrics.json``, was written may be run again.
            StoreError: a run of that name is at work, or nothing can be written here.
        """
        if name is not None:
            check_run_name(name)
        self.mark_layout()  # before the run's own folder: with that alone it would look like an old store
        folder = self.run_folder(self._claim_new_name(flow) if name is None else name)
        with self.lock_run(folder.name), self.backend.uses.by_run(folder.name):
            if name is not None:
                if not self.backend.download_run(name):  # the mirror may have that of a deleted run
                    (folder / RECORD).unlink(missing_ok=True)
                elif not replace:
                    self.refuse_finished(name)
                self.backend.claim_run(name)
                folder.mkdir(parents=True, exist_ok=True)  # of one that another machine began
            yield folder

    def refuse_finished(self, name: str) -> None:
        """Raise ConfigError where a finished run has a name."""
        if self._has_finished(name) and (self.run_folder(name) / METRICS).exists():
            raise ConfigError(
                f"name: expected one that no finished run has, found {name!r} in {self.backend.url}; "
                "take another, or --replace it (replace: true)"
            )

    def mark_layout(self) -> None:
        """Write the version of the layout into the store, which is about to be written to."""
        try:
            with disk_full_as_store_error("layout.json", self.root):
                mark_layout(self.backend.url, self.backend.files)
        except FileNotFoundError as error:  # of a file system that takes no folders, as /proc
            raise StoreError(
                f"store: expected a folder that can be made, found that {self.root} cannot "
                f"({error.strerror}); name another by --store or ANTIPHON_STORE"
            ) from error

    @contextmanager
    def lock_recorded_run(self, name: str) -> Iterator[RunRecord]:
        """Hold a recorded run while files of its folder are written again; gives its record.

        Raises:
            StoreError: there is no such run, or it is at work.
        """
        with self.lock_run(name):
            yield self.load_run(name)

    def lock_run(
        self, name: str, instead: str = "give this run another name"
    ) -> AbstractContextManager[None]:
        """Hold the folder of a run, whether or not there is one.

        Args:
            name: of the run.
            instead: what a user can do instead of waiting for another holder.

        Raises:
            StoreError: it is at work.
        """
        what = f"run {name}"
        waiting = locks.LockWait(what, 0.3, instead)  # another may be tidying
        return self.backend.lock(locks.RUN_PREFIX + check_run_name(name), what, waiting)

    def _claim_new_name(self, flow: str) -> str:
        stem = f"{datetime.now(UTC).strftime('%Y-%m-%d-%H%M%S')}-{flow}"
        for number in range(1, 1000):
            name = check_run_name(stem if number == 1 else f"{stem}-{number}")
            with disk_full_as_store_error(f"run {name}", self.root):
                if self.backend.claim_run(name):
                    return name
        raise StoreError(f"a thousand runs named {stem} in {self.backend.url}; give this one a name")

    def save_run(self, run: RunRecord) -> Path:
        """Write ``run.json`` and ``metrics.json`` of a run and return its folder.

        The record of a run that did not complete does not replace one that did: it becomes ``failed.json``.
        """
        self.mark_layout()
        folder = self.run_folder(run.name)
        write_record(folder, run, replaces=run.completed or not self._has_finished(run.name))
        self.backend.upload_run(run.name)
        if run.completed:
            self.backend.files.remove(f"runs/{run.name}/{FAILED}")
            self.backend.uses.clear_run(run.name)
        return folder

    def withdraw_record(self, name: str) -> None:
        """Remove the record of a run that was paused and goes on; that of a finished one stays."""
        folder = self.run_folder(name)
        for file in (FAILED,) if self._has_finished(name) else (METRICS, RECORD):
            self.backend.files.remove(f"runs/{name}/{file}")
            (folder / file).unlink(missing_ok=True)

    def load_run(self, name: str) -> RunRecord:
        """Return the record of the run ``name``, its stages verified.

        Raises:
            StoreError: no such run here, one that has not finished, or its record or a stage is damaged.
        """
        run = self.read_run(name)
        return run.model_copy(update={"stages": tuple(map(self.localize, run.stages))})

    def read_run(self, name: str) -> RunRecord:
        """Return the record of the run ``name``; its stages are not looked at.

        Raises:
            StoreError: no such run here, one that has not finished, or its record is damaged.
            ConfigError: the name cannot be a run's.
        """
        folder = self.run_folder(name)
        if not self.backend.download_run(name):
            raise self.missing_run_error(name)
        return read_record(folder, self.stages)

    def missing_run_error(self, name: str) -> StoreError:
        """Return the error of a run that cannot be loaded: none has that name, or it has not finished."""
        kind = StoreError if self.backend.has_run(name) else UnknownRunError
        return kind(self.explain_missing_run(name))

    def explain_missing_run(self, name: str) -> str:
        """Return why a run cannot be loaded, and what to do."""
        if not self.backend.has_run(name):
            times = self.backend.list_record_times()
            names = sorted(times, key=lambda run: times[run] or 0.0)
            hint = did_you_mean(name, names) or f"; the latest are: {', '.join(names[-5:]) or 'none yet'}"
            return f"no run {name!r} in {self.backend.url}/runs{hint}"
        holder = locks.holder_of(self.root, locks.RUN_PREFIX + name)
        if holder is not None:
            return f"run {name} has not finished: {holder} is at work on it; wait for it"
        return (
            f"run {name} has not finished: it was interrupted, or another machine is at work on it; give its "
            "command again, it goes on where it stopped"
        )

    def _has_finished(self, name: str) -> bool:
        """Return whether there is a record that a failed run must not replace, be it a damaged one."""
        folder = self.run_folder(name)
        if not (folder / RECORD).exists():
            return False
        try:
            return read_record(folder, self.stages).completed
        except StoreError:
            return True
