"""Deleting runs, and giving them other names."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import ExitStack
from typing import Any

from components.errors import ConfigError, StoreError
from components.files.canonical_json import add_digest
from components.files.files import encode_json
from components.storage.runs.baseline_run import refuse_accepted
from components.storage.runs.run_records import FAILED, RECORD, check_record
from components.storage.store import Store, check_run_name
from components.storage.upkeep.references import RUNS, read_systems

RUN_PARAMETERS = frozenset({"runs", "run", "draft", "baseline"})
"""Parameters of flows that name runs."""


def runs_that_compare(store: Store, name: str) -> list[str]:
    """Return the comparisons that refer to a run."""
    files, others = store.backend.files, store.backend.list_run_names()
    records = {other: files.read(f"{RUNS}/{other}/{RECORD}") or b"" for other in others if other != name}
    return [other for other, content in records.items() if name in read_systems(content).values()]


def check_deletable(store: Store, name: str, beside: Collection[str] = ()) -> None:
    """Refuse to delete a run that is accepted, or that a comparison refers to.

    Args:
        store: where.
        name: of the run.
        beside: further runs that are deleted with it.

    Raises:
        ConfigError: it is; the message says how to delete it nevertheless.
        StoreError: there is no such run.
    """
    if not store.backend.has_run(check_run_name(name)):
        raise store.missing_run_error(name)
    refuse_accepted(store, name, "--force")
    if comparisons := [other for other in runs_that_compare(store, name) if other not in beside]:
        raise ConfigError(
            f"run {name}: {', '.join(comparisons)} compares it and could not be shown without it; delete "
            "that first, or --force"
        )


def delete_run(store: Store, name: str) -> None:
    """Delete the record and the report of a run; its stages stay until the store is pruned.

    Raises:
        StoreError: there is no such run, or it is at work.
    """
    with store.lock_run(name, "stop it first"):
        if not store.backend.has_run(name):
            raise store.missing_run_error(name)
        store.backend.files.discard(f"{RUNS}/{name}")
        store.backend.forget_run(name)
    store.backend.files.empty_trash()


def rename_run(store: Store, old: str, new: str) -> list[str]:
    """Give a run another name, also inside its record and in the records of runs that refer to it.

    A kill on the way leaves both names known where they are needed: the same call again ends it.

    Returns:
        The other runs whose records were changed.

    Raises:
        StoreError: there is no such run, or it or one that refers to it is at work.
        ConfigError: the new name is taken, or can be none.
    """
    files, backend = store.backend.files, store.backend
    check_run_name(new)
    with ExitStack() as stack:
        for name in sorted({old, new}):
            stack.enter_context(store.lock_run(name, "rename it later"))
        has_record = files.read(f"{RUNS}/{old}/{RECORD}") is not None
        is_moved = not has_record and _is_named(store, new, old)  # by a call that was killed then
        if not backend.has_run(old) and not is_moved:
            raise store.missing_run_error(old)
        if _is_part_of(store, new, old):  # copied by a call that was killed then
            files.discard(f"{RUNS}/{new}")
            backend.forget_run(new)
        if backend.has_run(new) and not is_moved:
            advice = "it has that name" if new == old else f"antiphon runs delete {new} first"
            raise ConfigError(f"expected a name that no run has, found {new!r}; {advice}")
        changed = _find_readers(store, old, new)
        readers = sorted({name for name, _ in changed} - {old, new})
        for name in readers:
            stack.enter_context(store.lock_run(name, "rename it later"))
        for (name, file), values in changed.items():
            if name != old:
                files.write(f"{RUNS}/{name}/{file}", values)
        if is_moved:
            files.discard(f"{RUNS}/{old}")  # what is left of it
        else:
            files.rename(f"{RUNS}/{old}", f"{RUNS}/{new}")
        backend.forget_run(old)
        for (name, file), values in changed.items():
            if name == old:
                files.write(f"{RUNS}/{new}/{file}", values)
    return readers


def _is_named(store: Store, name: str, recorded: str) -> bool:
    """Return whether the record of a run has another name than its folder: this one."""
    files = {file: store.backend.files.read(f"{RUNS}/{name}/{file}") for file in (RECORD, FAILED)}
    return any(content and check_record(content, file)["name"] == recorded for file, content in files.items())


def _is_part_of(store: Store, name: str, whole: str) -> bool:
    """Return whether a run has files, and another has all of them, too."""
    files, folder = store.backend.files, f"{RUNS}/{name}"
    copies = files.list_facts(folder)
    return (
        name != whole
        and bool(copies)
        and all(
            files.read(copy) == files.read(f"{RUNS}/{whole}{copy.removeprefix(folder)}") for copy in copies
        )
    )


def _find_readers(store: Store, old: str, new: str) -> dict[tuple[str, str], bytes]:
    """Return the records that name a run, as they are to be: (run, file) -> bytes."""
    changed = {}
    for name in store.backend.list_run_names():
        for file in (RECORD, FAILED):
            content = store.backend.files.read(f"{RUNS}/{name}/{file}")
            if content is None or old.encode() not in content:
                continue
            try:
                values = check_record(content, file)
            except StoreError:
                continue  # a damaged record is not made to look whole
            renamed = _rename(values, old, new)
            if values.get("name") == old:
                renamed["name"] = new
            if renamed != values:
                changed[name, file] = encode_json(add_digest(renamed))
    return changed


def _rename(values: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return the fields of a record with another name for a run where they name it."""
    systems = {system: new if run == old else run for system, run in (values.get("systems") or {}).items()}
    reference = re.compile(rf"store:{re.escape(old)}(?=$|[@/])")
    named = {**values, "systems": systems} if systems else dict(values)
    for field in ("parameters", "pipeline"):
        if field in named:
            named[field] = _rename_inside(named[field], old, new, reference)
    return named


def _rename_inside(
    value: Any, old: str, new: str, reference: re.Pattern[str], *, is_run: bool = False
) -> Any:
    if isinstance(value, dict):
        return {
            name: _rename_inside(item, old, new, reference, is_run=name in RUN_PARAMETERS)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_rename_inside(item, old, new, reference, is_run=is_run) for item in value]
    if isinstance(value, str):
        return new if is_run and value == old else reference.sub(f"store:{new}", value)
    return value
