"""The runs of a store by their records alone: no stage is opened or verified."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from components.errors import StoreError
from components.records import RunRecord
from components.storage import locks
from components.storage.run_records import RECORD, read_record
from components.storage.store import Store


class ListedRun(NamedTuple):
    """A run by its name. ``status`` is its record's, else running, unfinished or damaged."""

    name: str
    status: str
    started: str
    record: RunRecord | None = None


def list_runs(store: Store) -> list[ListedRun]:
    """Every run of a store, the newest first."""
    runs = [_listed(store, name) for name in store.place.run_names()]
    return sorted(runs, key=lambda run: (run.started, run.name), reverse=True)


def _listed(store: Store, name: str) -> ListedRun:
    folder = store.runs / name
    store.place.bring_run(name)
    begun = _changed(folder)
    if not (folder / RECORD).exists():
        at_work = locks.holder_of(store.root, locks.RUN + name) is not None
        return ListedRun(name, "running" if at_work else "unfinished", begun)
    try:
        record = read_record(folder, store.stages)
    except StoreError:
        return ListedRun(name, "damaged", begun)
    return ListedRun(name, record.status, record.started, record)


def _changed(folder: Path) -> str:
    """When a run without a record was last written to; nothing where another machine alone knows it."""
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return ""
