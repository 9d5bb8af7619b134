"""The runs of a store, listed from their records; no stage is opened or verified."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from components.errors import StoreError
from components.run_record import RunRecord
from components.storage import locks
from components.storage.run_records import RECORD, read_record
from components.storage.store import Store


class RunEntry(NamedTuple):
    """A run by its name. ``status`` is that of its record, else running, unfinished or damaged."""

    name: str
    status: str
    started: str
    record: RunRecord | None = None


def list_runs(store: Store) -> list[RunEntry]:
    """Return every run of a store, newest first."""
    runs = [_read_entry(store, name) for name in store.backend.list_run_names()]
    return sorted(runs, key=lambda run: (run.started, run.name), reverse=True)


def _read_entry(store: Store, name: str) -> RunEntry:
    folder = store.runs / name
    recorded = store.backend.download_run(name)
    begun = _last_change(folder)
    if not recorded:
        at_work = locks.holder_of(store.root, locks.RUN_PREFIX + name) is not None
        return RunEntry(name, "running" if at_work else "unfinished", begun)
    try:
        record = read_record(folder, store.stages)
    except StoreError:
        return RunEntry(name, "damaged", begun)
    return RunEntry(name, record.status, record.started, record)


def _last_change(folder: Path) -> str:
    """Return when a run without a record was last written to; "" where only another machine knows it."""
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return ""
