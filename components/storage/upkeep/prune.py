"""Removing what nobody refers to, beside processes at work (components/storage/runs/usage_leases.py).

The order is what makes it safe: condemn, read the notes of runs and processes, read the records of runs, then
remove. A run takes its notes back only after its record is written, so that it is seen in one or the other.
A kill leaves a list of condemned keys, which the next writer or prune clears, and folders in the trash.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from components.errors import StoreError
from components.files.files import disk_full_as_store_error
from components.files.json_text import parse_json
from components.storage.places import locks
from components.storage.runs.run_listing import RunEntry, list_runs
from components.storage.shards.shard import shard_name
from components.storage.store import Store
from components.storage.upkeep.inventory import Inventory, folder_of_leftover
from components.storage.upkeep.references import RUNS, STAGES, References, list_keys
from components.storage.upkeep.run_changes import delete_run

GRACE_SECONDS = 3600.0
"""Age at which what nobody refers to may go: time for what another machine wrote to be seen here."""
_WRITING_SECONDS = 60.0
"""Age of a temporary file whose writer is taken for dead, whatever the grace time."""


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
        shards: keys of shards that are part of no stage that stays.
        files: names of leftovers.
        bytes: of all of it.
        recent: keys of stages that nobody refers to, younger than the grace time.
        in_use: keys of stages that were to go and are in use.
    """

    runs: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
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
    runs = _select_old_runs(store, options.keep_runs, options.older_than)
    used = _find_used(store, set(inventory.runs) - set(runs))
    free = [key for key in inventory.keys if key not in used.stages]
    old = [key for key in free if _is_old(inventory.of_stage(key).modified, options.grace)]
    staying = References(store.backend.files, inventory.keys).shards_of(set(inventory.keys) - set(old))
    shards = [
        key
        for key, facts in inventory.shards.items()
        if key not in staying and _is_old(facts.modified, options.grace) and not used.has_shard(key)
    ]
    going = {f"{STAGES}/{key}" for key in old} | {f"{RUNS}/{name}" for name in runs}
    leftovers = [
        name
        for name, facts in inventory.leftovers().items()
        if _is_old(facts.modified, _grace_of(name, options.grace))
        and "/".join(name.split("/")[:2]) not in going
    ]
    unlocked = [name for name in leftovers if not _is_at_work(store, name)]
    size = inventory.bytes_of({*old, *shards}) + sum(inventory.of_run(name).bytes for name in runs)
    size += sum(inventory.facts[name].bytes for name in unlocked)
    recent = tuple(key for key in free if key not in old)
    return Pruned(tuple(runs), tuple(old), tuple(shards), tuple(unlocked), size, recent)


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
        inventory = Inventory(backend.files)
        planned = _plan(store, inventory, options)
        for name in planned.runs:
            delete_run(store, name)
        removed, shards = _remove(store, planned.stages, planned.shards)
        for folder in {folder for name in planned.files if (folder := folder_of_leftover(name))}:
            backend.files.discard(folder)
        for name in planned.files:
            backend.files.remove(name)
        backend.files.empty_trash()
        backend.tidy()
    in_use = set(planned.stages) - set(removed)
    size = planned.bytes - inventory.bytes_of(in_use | (set(planned.shards) - set(shards)))
    return planned._replace(stages=removed, shards=shards, bytes=size, in_use=tuple(sorted(in_use)))


def _remove(
    store: Store, stages: Iterable[str], shards: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove those of stages and shards that nobody refers to or uses once they are condemned."""
    backend = store.backend
    removed, removed_shards = list[str](), list[str]()
    fingerprints = {key: read_fingerprint(store, key) for key in shards}
    backend.uses.condemn([*stages, *filter(None, fingerprints.values())])
    try:
        used = _find_used(store)
        for key in sorted(set(stages) - used.stages):
            if not backend.is_locked(key):
                backend.files.discard(f"{STAGES}/{key}")
                removed.append(key)
        staying = References(backend.files, list_keys(backend.files)).shards_of(list_keys(backend.files))
        for key, fingerprint in sorted(fingerprints.items()):
            if key not in staying and fingerprint not in used.noted:
                backend.files.remove(shard_name(key))
                removed_shards.append(key)
    finally:
        backend.uses.pardon()
    return tuple(removed), tuple(removed_shards)


class _Used(NamedTuple):
    """What may not go: stages that runs refer to and all that these read, and what is noted as in use."""

    store: Store
    stages: set[str]
    noted: set[str]

    def has_shard(self, key: str) -> bool:
        """Return whether a run at work, or one that was interrupted, computes shards like this one."""
        return bool(self.noted) and read_fingerprint(self.store, key) in self.noted


def read_fingerprint(store: Store, key: str) -> str:
    """Return the fingerprint of the node that a shard is of; empty of a damaged one."""
    content = store.backend.files.read(shard_name(key)) or b""
    try:
        return str(parse_json(content.partition(b"\n")[0])["fingerprint"])
    except (ValueError, KeyError, TypeError):
        return ""


def _find_used(store: Store, runs: Iterable[str] | None = None) -> _Used:
    """Return what is noted as in use, what runs refer to, and all that these read.

    Args:
        store: where.
        runs: the runs that count; None for all.
    """
    files = store.backend.files
    # Notes before records: a run writes its record, then clears its notes.
    noted = store.backend.uses.read_notes(runs)
    references, named = References(files, list_keys(files)), set(noted)
    for name in store.backend.list_run_names() if runs is None else runs:
        try:
            named |= references.of_run(name)
        except StoreError as error:
            raise StoreError(
                f"{error}; what it refers to is not known, so nothing was pruned: delete that run first"
            ) from error
    return _Used(store, references.close(named), noted)


def _is_old(modified: float, grace: float) -> bool:
    return time.time() - modified >= grace


def _grace_of(leftover: str, grace: float) -> float:
    return max(grace, _WRITING_SECONDS) if leftover.endswith(".tmp") else grace


def _is_at_work(store: Store, name: str) -> bool:
    """Return whether a process holds the lock of the folder that a leftover lies in."""
    folder, _, rest = name.partition("/")
    prefix = locks.RUN_PREFIX if folder == "runs" else ""
    return store.backend.is_locked(prefix + rest.split("/")[0].removesuffix(".jsonl"))


def _select_old_runs(store: Store, keep: int | None, older_than: float | None) -> list[str]:
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
