"""Whether a run is accepted, the baseline of its flow and data set: ``runs/NAME/accepted.json``."""

from __future__ import annotations

from components.errors import ConfigError, StoreError, to_one_line
from components.records import Record
from components.storage.store import Store

BASELINE = "accepted.json"


class Acceptance(Record):
    """When a run was accepted (ISO 8601, UTC), and what was said about it."""

    accepted: str
    note: str = ""


def read_acceptance(store: Store, name: str) -> Acceptance | None:
    """Return the acceptance of a run; None where it was not accepted.

    Raises:
        StoreError: its file is damaged.
    """
    content = store.backend.files.read(acceptance_file(name))
    if content is None:
        return None
    try:
        return Acceptance.model_validate_json(content)
    except ValueError as error:
        raise StoreError(
            f"{acceptance_file(name)}: expected an acceptance, found: {to_one_line(error)}; accept it again"
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


def acceptance_file(name: str) -> str:
    """Return the name of the file that says that a run is accepted."""
    return f"runs/{name}/{BASELINE}"
