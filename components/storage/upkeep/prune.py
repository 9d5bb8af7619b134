"""Removing what nobody refers to, beside processes at work (components/storage/runs/usage_leases.py).

The order is what makes it safe: condemn, read the notes of runs and processes, read the records of runs, then
remove. A run takes its notes back only after its record is written, so that it is seen in one or the other.
A kill leaves a list of condemned keys, which the next writer or prune clears, and folders in the trash.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from components.errors import StoreError
from components.files.files import disk_full_as_store_error
from components.storage.places import locks
from components.storage.store import Store
from components.storage.upkeep.inventory import Inventory, folder_of_leftover
from components.storage.upkeep.old_runs import select_old_runs
from components.storage.upkeep.references import STAGES, References, list_keys
from components.storage.upkeep.run_changes import delete_run

GRACE_SECONDS = 3600.0
"""Age at which what nobody refers to may go: time for what another machine wrote to be seen here."""


class PruneOptions(NamedTuple):
    """What may be removed.

    Attributes:
        keep_runs: delete runs beyond the newest so many; None for no such bound.
        older_than: delete runs that are older than so many seconds; None for no such bound. Where both are
            given, a run goes that is beyond both.
        grace: seconds since their last change that unreferenced stages and leftovers stay.
    """

    keep_runs: int | None = None
    older_than: float | None = None
    grace: float = GRACE_SECONDS


class Pruned(NamedTuple):
    """What was removed, or would be.

    Attributes:
        runs: names.
        stages: keys.
        files: names of leftovers.
        bytes: of all of it.
        recent: keys of stages that nobody refers to, younger than the grace time.
        in_use: keys of stages that were to go and are in use.
    """

    runs: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    bytes: int = 0
    recent: tuple[str, ...] = ()
    in_use: tuple[str, ...] = ()


def plan_prune(store: Store, options: PruneOptions) -> Pruned:
    """Return what :func:`prune` would remove now; nothing is changed.

    Raises:
        StoreError: the record of a run is damaged, so that what it refers to is not known.
    """
    return _plan(store, Inventory(store.backend.files), options)


def _plan(store: Store, inventory: Inventory, options: PruneOptions) -> Pruned:
    runs = select_old_runs(store, options.keep_runs, options.older_than)
    used = _keys_in_use(store, set(inventory.runs) - set(runs))
    free = [key for key in inventory.keys if key not in used]
    old = [key for key in free if _is_old(inventory.of_stage(key).modified, options.grace)]
    leftovers = [
        name
        for name, facts in inventory.leftovers().items()
        if _is_old(facts.modified, options.grace) and name.split("/")[1] not in old
    ]
    unlocked = [name for name in leftovers if not _is_at_work(store, name)]
    size = inventory.bytes_of(set(old)) + sum(inventory.of_run(name).bytes for name in runs)
    size += sum(inventory.facts[name].bytes for name in unlocked)
    return Pruned(
        tuple(runs), tuple(old), tuple(unlocked), size, tuple(key for key in free if key not in old)
    )


def prune(store: Store, options: PruneOptions) -> Pruned:
    """Remove what nobody refers to; safe beside processes that run, read and prune.

    Returns:
        What was removed.

    Raises:
        StoreError: another process is pruning, or the record of a run is damaged.
    """
    backend = store.backend
    with disk_full_as_store_error("what prune notes", store.root), backend.lock_prune(seconds=0.3):
        store.mark_layout()
        backend.uses.pardon()
        inventory = Inventory(backend.files)
        planned = _plan(store, inventory, options)
        for name in planned.runs:
            delete_run(store, name)
        removed = _remove_stages(store, planned.stages)
        for folder in {folder for name in planned.files if (folder := folder_of_leftover(name))}:
            backend.files.discard(folder)
        for name in planned.files:
            backend.files.remove(name)
        backend.files.empty_trash()
        backend.tidy()
    in_use = set(planned.stages) - set(removed)
    size = planned.bytes - inventory.bytes_of(in_use)
    return planned._replace(stages=removed, bytes=size, in_use=tuple(sorted(in_use)))


def _remove_stages(store: Store, keys: Iterable[str]) -> tuple[str, ...]:
    """Remove those of the stages that nobody refers to or uses once they are condemned."""
    backend, removed = store.backend, []
    backend.uses.condemn(keys)
    try:
        used = _keys_in_use(store)
        for key in sorted(set(keys) - used):
            if not backend.is_locked(key):
                backend.files.discard(f"{STAGES}/{key}")
                removed.append(key)
    finally:
        backend.uses.pardon()
    return tuple(removed)


def _keys_in_use(store: Store, runs: Iterable[str] | None = None) -> set[str]:
    """Return the stages that are noted as in use, that runs refer to, and all that these read.

    Args:
        store: where.
        runs: the runs that count; None for all.
    """
    files = store.backend.files
    # Notes before records: a run writes its record, then clears its notes.
    noted = store.backend.uses.read_notes(runs)
    references = References(files, list_keys(files))
    for name in store.backend.list_run_names() if runs is None else runs:
        try:
            noted |= references.of_run(name)
        except StoreError as error:
            raise StoreError(
                f"{error}; what it refers to is not known, so nothing was pruned: delete that run first"
            ) from error
    return references.close(noted)


def _is_old(modified: float, grace: float) -> bool:
    return time.time() - modified >= grace


def _is_at_work(store: Store, name: str) -> bool:
    """Return whether a process holds the lock of the folder that a leftover lies in."""
    folder, _, rest = name.partition("/")
    prefix = locks.RUN_PREFIX if folder == "runs" else ""
    return store.backend.is_locked(prefix + rest.split("/")[0])
