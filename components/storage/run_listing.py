"""The runs of a store, listed from their records; no stage is opened or verified."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from components.errors import StoreError
from components.run_record import RunRecord
from components.storage import locks
from components.storage.acceptance import Acceptance, read_acceptance
from components.storage.run_records import read_record
from components.storage.store import Store


class RunEntry(NamedTuple):
    """A run by its name.

    Attributes:
        name: of its folder.
        status: that of its record, else running, unfinished or damaged.
        started: ISO 8601, UTC; of a run without a record when it was last written to, "" if not known.
        record: where it is intact.
        acceptance: where the run is the accepted one of its flow and data.
    """

    name: str
    status: str
    started: str
    record: RunRecord | None = None
    acceptance: Acceptance | None = None


def list_runs(store: Store) -> list[RunEntry]:
    """Return every run of a store, newest first."""
    runs = [_read_entry(store, name) for name in store.backend.list_run_names()]
    return sorted(runs, key=lambda run: (run.started, run.name), reverse=True)


def _read_entry(store: Store, name: str) -> RunEntry:
    folder = store.runs / name
    recorded = store.backend.download_run(name)
    begun = _last_change(folder)
    if not recorded:
        at_work = store.backend.is_locked(locks.RUN_PREFIX + name)
        return RunEntry(name, "running" if at_work else "unfinished", begun)
    try:
        record = read_record(folder, store.stages)
        acceptance = read_acceptance(store, name)
    except StoreError:
        return RunEntry(name, "damaged", begun)
    waits = record.status != "paused" or store.backend.is_locked(locks.RUN_PREFIX + name)
    status = record.status if waits else "unfinished"  # its process died while it waited
    return RunEntry(name, status, record.started, record, acceptance)


def _last_change(folder: Path) -> str:
    """Return when a run without a record was last written to; "" where only another machine knows it."""
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except OSError:
        return ""
