"""`antiphon run`: parameters from file and flags, the flow in this process, its result printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from components.errors import ConfigError
from components.records import RunRecord

QUARANTINED = 3


def run_flow(
    name: str,
    config: Path | None,
    assignments: Sequence[str],
    shortcuts: Mapping[str, object],
    *,
    as_json: bool,
    yes: bool = True,
) -> int:
    """Run a flow to its end and print its result; gives back the exit code.

    What can be refused is refused before Prefect starts; ``yes``: also a training by mere defaults.

    Raises:
        AntiphonError: what the flow raised.
    """
    from flows.catalogue import check_flow, flow_named

    check_flow(name)
    from flows import interrupting
    from flows.configuration import gather
    from flows.ephemeral_server import check_server, lost_server_message
    from flows.preflight import refuse
    from flows.trainings import require_intent
    from tasks.options import value_of

    entry = flow_named(name)
    _check_flags(name, entry.parameters, shortcuts)
    parameters = gather(entry.parameters, config, assignments, shortcuts)
    _check_size(parameters)
    if not yes:
        require_intent(name, parameters)
    refuse(entry.needs(parameters))
    check_server()
    try:
        with interrupting.signals():
            returned = entry.call(
                **{field: getattr(parameters, field) for field in type(parameters).model_fields}
            )
    except interrupting.Stopped:
        return interrupting.stopped()
    except Exception as error:
        if message := lost_server_message(error):
            sys.stderr.write(f"antiphon: {message}\n")
            interrupting.exit_now(1)  # Prefect would try for minutes to send its last events
        raise
    return finish(value_of(returned), parameters.store, as_json=as_json)


def _check_flags(name: str, model: type[BaseModel], shortcuts: Mapping[str, object]) -> None:
    """Refuse a flag that the flow has no parameter for, and both flags of what is one or the other."""
    given = {flag: value for flag, value in shortcuts.items() if value is not None}
    for flag in given.keys() - model.model_fields.keys():
        option = "--" + flag.replace("_", "-")
        raise ConfigError(
            f"{option}: {name} takes none; antiphon run {name} --parameters lists what it takes"
        )
    if {"data", "audio"} <= given.keys():
        raise ConfigError(
            f"expected --data or --audio, found both ({given['data']} and {given['audio']}); leave one out"
        )


def _check_size(parameters: BaseModel) -> None:
    """Prefect keeps the parameters with the run, and refuses large ones after it has started."""
    from prefect.settings import get_current_settings

    most = get_current_settings().server.api.max_parameter_size
    size = len(parameters.model_dump_json().encode())
    if 0 < most < size:
        raise ConfigError(
            f"parameters: expected at most {most >> 10} KiB of them as JSON, found {size >> 10}; put what is "
            "long into a file, and name the file"
        )


def compare_runs(assignments: Sequence[str], shortcuts: Mapping[str, object], *, as_json: bool) -> int:
    """Compare finished runs and print the tables; gives back the exit code."""
    from flows.compare import CompareParameters, compare_finished
    from flows.configuration import gather

    parameters = gather(CompareParameters, None, assignments, shortcuts)
    return finish(compare_finished(parameters), parameters.store, as_json=as_json)


def finish(run: RunRecord, store_url: str | None, *, as_json: bool) -> int:
    """Print a run; the exit code says whether records were put aside."""
    from components.storage.store import Store
    from flows.printing import print_run, run_json

    store = Store(store_url)
    print_run(run, store)
    if as_json:
        sys.stdout.write(run_json(run, store.run_folder(run.name)) + "\n")
    sys.stdout.flush()
    return QUARANTINED if run.status == "completed with quarantine" else 0
