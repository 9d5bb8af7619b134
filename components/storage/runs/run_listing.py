"""The runs of a store, listed from their records; no stage is opened or verified."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from components.errors import StoreError
from components.run_record import RunRecord
from components.storage.places import locks
from components.storage.runs.baseline_run import Acceptance, read_acceptance
from components.storage.runs.run_records import read_record
from components.storage.store import Store


class RunEntry(NamedTuple):
    """A run by its name.

    Attributes:
        name: of its folder.
        status: that of its record, else running, unfinished or damaged.
        started: ISO 8601, UTC; of a run without an intact record when it was last written to, "" if that is
            not known.
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
    return sorted(iterate_runs(store), key=_order, reverse=True)


def iterate_runs(store: Store) -> Iterator[RunEntry]:
    """Yield the runs of a store, newest first; a record is read when it may be that of the next.

    A run began before its record was written, so that no record is newer than its file.
    """
    times = store.backend.list_record_times()
    unread = sorted((_iso(time), name) for name, time in times.items() if time is not None)
    read = sorted((_unrecorded(store, name) for name, time in times.items() if time is None), key=_order)
    while unread or read:
        while unread and (not read or _order(read[-1]) < unread[-1]):
            written, name = unread.pop()
            insort(read, _read_entry(store, name, written), key=_order)
        yield read.pop()


def _order(run: RunEntry) -> tuple[str, str]:
    return run.started, run.name


def _read_entry(store: Store, name: str, written: str) -> RunEntry:
    if not store.backend.download_run(name):  # it was deleted, or is replaced
        return _unrecorded(store, name)
    try:
        record = read_record(store.runs / name, store.stages)
        acceptance = read_acceptance(store, name)
    except StoreError:
        return RunEntry(name, "damaged", written)
    waits = record.status != "paused" or store.backend.is_locked(locks.RUN_PREFIX + name)
    status = record.status if waits else "unfinished"  # its process died while it waited
    return RunEntry(name, status, record.started, record, acceptance)


def _unrecorded(store: Store, name: str) -> RunEntry:
    at_work = store.backend.is_locked(locks.RUN_PREFIX + name)
    return RunEntry(name, "running" if at_work else "unfinished", _last_change(store.runs / name))


def _last_change(folder: Path) -> str:
    """Return when a run without a record was last written to; "" where only another machine knows it."""
    try:
        return _iso(folder.stat().st_mtime)
    except OSError:
        return ""


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
