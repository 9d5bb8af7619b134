"""Which runs are old enough to go when a store is pruned."""

from __future__ import annotations

import time
from datetime import datetime

from components.storage.places import locks
from components.storage.runs.run_listing import RunEntry, list_runs
from components.storage.store import Store


def select_old_runs(store: Store, keep: int | None, older_than: float | None) -> list[str]:
    """Return the runs beyond the newest ``keep`` that began longer ago than ``older_than`` seconds.

    Accepted runs, runs at work, runs whose age is not known, and runs that a comparison refers to which stays
    are left out.

    Args:
        store: where.
        keep: how many of the newest stay; None for no such bound.
        older_than: seconds; None for no such bound. Without both no run is old.
    """
    if keep is None and older_than is None:
        return []
    runs = list_runs(store)
    old = {run.name for run in runs[keep or 0 :] if _may_go(store, run, older_than or 0.0)}
    while True:  # a comparison that stays keeps its systems, which may be comparisons
        remaining = [run.record for run in runs if run.record and run.name not in old]
        needed = {name for record in remaining for name in record.systems.values()}
        if not old & needed:
            return [run.name for run in runs if run.name in old]
        old -= needed


def _may_go(store: Store, run: RunEntry, older_than: float) -> bool:
    if run.acceptance is not None or not run.started or run.status in {"running", "damaged"}:
        return False
    age = time.time() - datetime.fromisoformat(run.started).timestamp()
    return age > older_than and not store.backend.is_locked(locks.RUN_PREFIX + run.name)
