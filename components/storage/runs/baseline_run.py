"""Accepted runs: the baseline of their flow and data set, ``runs/NAME/accepted.json``."""

from __future__ import annotations

from components.errors import ConfigError, StoreError, to_one_line
from components.files.files import encode_json, utc_now
from components.records import Record
from components.run_record import RunRecord
from components.storage.runs.run_records import read_record
from components.storage.store import Store

BASELINE = "accepted.json"


class Acceptance(Record):
    """When a run was accepted (ISO 8601, UTC), and what was said about it."""

    accepted: str
    note: str = ""


def data_of(run: RunRecord) -> str | None:
    """Return what identifies a run's data set, wherever its audio lies; None where it has none."""
    return next((ref.content or ref.key for ref in run.stages if ref.stage == "data"), None)


def read_acceptance(store: Store, name: str) -> Acceptance | None:
    """Return the acceptance of a run; None where it was not accepted.

    Raises:
        StoreError: its file is damaged.
    """
    content = store.backend.files.read(_file_of(name))
    if content is None:
        return None
    try:
        return Acceptance.model_validate_json(content)
    except ValueError as error:
        raise StoreError(
            f"{_file_of(name)}: expected an acceptance, found: {to_one_line(error)}; accept it again"
        ) from error


def refuse_accepted(store: Store, name: str, otherwise: str) -> None:
    """Refuse to lose a run that is accepted.

    Args:
        store: where.
        name: of the run, whether or not there is one.
        otherwise: what can be done instead of taking the acceptance back.

    Raises:
        ConfigError: it is accepted.
        StoreError: the file of its acceptance is damaged.
    """
    if read_acceptance(store, name) is not None:
        raise ConfigError(
            f"run {name} is accepted, the baseline of its data; antiphon runs accept {name} --undo first, "
            f"or {otherwise}"
        )


def list_accepted(store: Store) -> list[RunRecord]:
    """Return the records of all accepted runs; their stages are not verified."""
    names = [name for name in store.backend.list_run_names() if store.backend.files.read(_file_of(name))]
    return [
        read_record(store.run_folder(name), store.stages)
        for name in names
        if store.backend.download_run(name)
    ]


def accept_run(store: Store, name: str, note: str = "") -> str | None:
    """Make a run the accepted one of its flow and data set.

    Args:
        store: where.
        name: of the run.
        note: why, for people.

    Returns:
        The run that was accepted before, and is no longer.

    Raises:
        StoreError: there is no such run, or it is damaged.
        ConfigError: it did not complete.
    """
    with store.lock_recorded_run(name) as run:
        if not run.completed:
            raise ConfigError(f"run {name}: expected a run that completed, found one that is {run.status}")
        before = next(
            (other.name for other in list_accepted(store) if other.name != name and _is_like(other, run)),
            None,
        )
        acceptance = Acceptance(accepted=utc_now(), note=note)
        store.backend.files.write(_file_of(name), encode_json(acceptance.model_dump(mode="json")))
        if before is not None:
            store.backend.files.remove(_file_of(before))
    return before


def revoke_acceptance(store: Store, name: str) -> None:
    """Take the acceptance of a run back.

    Raises:
        ConfigError: it is not accepted.
    """
    if store.backend.files.read(_file_of(name)) is None:
        accepted = ", ".join(run.name for run in list_accepted(store)) or "none"
        raise ConfigError(
            f"run {name}: expected an accepted run, found none of that name; accepted: {accepted}"
        )
    store.backend.files.remove(_file_of(name))


def find_baseline(store: Store, run: RunRecord) -> RunRecord:
    """Return the accepted run of a run's data set; that of the same flow if there are several.

    Raises:
        ConfigError: there is none, or only the run itself.
    """
    same = [
        other
        for other in list_accepted(store)
        if data_of(other) is not None and data_of(other) == data_of(run)
    ]
    others = [other for other in same if other.name != run.name]
    if not others and same:
        raise ConfigError(f"run {run.name} is itself the accepted run of its data; name two runs to compare")
    if not others:
        raise ConfigError(
            f"run {run.name}: expected an accepted run of the same data, found none; accept one (antiphon "
            "runs accept RUN), or name two runs to compare"
        )
    candidates = sorted(others, key=lambda other: (other.flow != run.flow, other.name))
    if len(others) > 1 and candidates[0].flow != run.flow:
        names = ", ".join(f"{other.name} ({other.flow})" for other in candidates)
        raise ConfigError(
            f"run {run.name}: expected one accepted run of the same data, found {names}; name one"
        )
    return candidates[0]


def _is_like(run: RunRecord, other: RunRecord) -> bool:
    return (run.flow, data_of(run)) == (other.flow, data_of(other))


def _file_of(name: str) -> str:
    return f"runs/{name}/{BASELINE}"
