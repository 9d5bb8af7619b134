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

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from components.errors import ConfigError, StoreError, UnknownRunError
from components.files.files import disk_full_as_store_error
from components.run_record import RUN_NAME, RunRecord
from components.storage.places import locks
from components.storage.runs.run_records import FAILED, METRICS, RECORD, read_record, write_record
from components.storage.stage_store import StageStore
from components.text.suggestions import did_you_mean


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


class Store(StageStore):
    """Stages and runs on disk. Safe for several processes; on object storage, for several machines."""

    def __init__(self, url: str | None = None) -> None:
        super().__init__(url)
        self.runs = self.root / "runs"

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
        if not self.backend.has_run(name):
            times = self.backend.list_record_times()
            names = sorted(times, key=lambda run: times[run] or 0.0)
            hint = did_you_mean(name, names) or f"; the latest are: {', '.join(names[-5:]) or 'none yet'}"
            return UnknownRunError(f"no run {name!r} in {self.backend.url}/runs{hint}")
        holder = locks.holder_of(self.root, locks.RUN_PREFIX + name)
        if holder is not None:
            return StoreError(f"run {name} has not finished: {holder} is at work on it; wait for it")
        return StoreError(
            f"run {name} has not finished: it was interrupted, or another machine is at work on it; give its "
            "command again, it goes on where it stopped"
        )

    def _has_finished(self, name: str) -> bool:
        """Return whether there is a record that a failed run must not replace, be it a damaged one."""
        try:
            return read_record(self.run_folder(name), self.stages).completed
        except FileNotFoundError:
            return False
        except StoreError:
            return True
