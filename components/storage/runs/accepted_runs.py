"""Accepting runs as baselines, and finding the baseline of a run."""

from __future__ import annotations

from collections.abc import Callable

from components.errors import ConfigError
from components.extensions import Extensions, accept_callable
from components.files.files import encode_json, utc_now
from components.run_record import RunRecord
from components.storage.runs.baseline_run import Acceptance, acceptance_file
from components.storage.runs.run_records import read_record
from components.storage.store import Store

KEEPERS: Extensions[Callable[[RunRecord, Store], None]] = Extensions(
    "antiphon.acceptance", "keeper of accepted runs", accept_callable
)
"""What keeps something of a run that is accepted, such as a table of numbers for later comparisons."""


def data_of(run: RunRecord) -> str | None:
    """Return what identifies a run's data set, wherever its audio lies; None where it has none."""
    return next((ref.content or ref.key for ref in run.stages if ref.stage == "data"), None)


def list_accepted(store: Store) -> list[RunRecord]:
    """Return the records of all accepted runs; their stages are not verified."""
    names = [
        name for name in store.backend.list_run_names() if store.backend.files.read(acceptance_file(name))
    ]
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
        # Several where two were accepted at once, or a kill came between the two steps below.
        before = [other.name for other in list_accepted(store) if other.name != name and _is_like(other, run)]
        for keep in KEEPERS.values():
            keep(run, store)
        acceptance = Acceptance(accepted=utc_now(), note=note)
        store.backend.files.write(acceptance_file(name), encode_json(acceptance.model_dump(mode="json")))
        for other in before:
            store.backend.files.remove(acceptance_file(other))
    return before[0] if before else None


def revoke_acceptance(store: Store, name: str) -> None:
    """Take the acceptance of a run back.

    Raises:
        ConfigError: it is not accepted.
    """
    if store.backend.files.read(acceptance_file(name)) is None:
        accepted = ", ".join(run.name for run in list_accepted(store)) or "none"
        raise ConfigError(
            f"run {name}: expected an accepted run, found none of that name; accepted: {accepted}"
        )
    store.backend.files.remove(acceptance_file(name))


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
