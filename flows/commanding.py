"""`antiphon run`: parameters from file and flags, the flow in this process, its result printed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

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
) -> int:
    """Run a flow to its end and print its result; gives back the exit code.

    Raises:
        AntiphonError: what the flow raised.
    """
    from flows import interrupting
    from flows.catalogue import FLOWS, flow_named
    from flows.configuration import gather
    from flows.ephemeral_server import check_server, gone
    from tasks.options import value_of

    if name not in FLOWS:
        raise ConfigError(f"expected a flow, one of {', '.join(FLOWS)}, found {name!r}")
    entry = flow_named(name)
    parameters = gather(entry.parameters, config, assignments, shortcuts)
    check_server()
    try:
        with interrupting.signals():
            returned = entry.call(
                **{field: getattr(parameters, field) for field in type(parameters).model_fields}
            )
    except interrupting.Stopped:
        return interrupting.stopped()
    except Exception as error:
        if said := gone(error):
            sys.stderr.write(f"antiphon: {said}\n")
            interrupting.go(1)  # Prefect would try for minutes to send its last events
        raise
    return finish(value_of(returned), parameters.store, as_json=as_json)


def compare_runs(assignments: Sequence[str], shortcuts: Mapping[str, object], *, as_json: bool) -> int:
    """Compare finished runs and print the tables; gives back the exit code."""
    from flows.compare import CompareParameters, compare_finished
    from flows.configuration import gather

    parameters = gather(CompareParameters, None, assignments, shortcuts)
    return finish(compare_finished(parameters), parameters.store, as_json=as_json)


def finish(run: RunRecord, store_url: str | None, *, as_json: bool) -> int:
    """Print a run; the exit code says whether records were put aside."""
    from flows.printing import print_run, run_json
    from tasks.store import Store

    store = Store(store_url)
    print_run(run, store)
    if as_json:
        sys.stdout.write(run_json(run, store.run_folder(run.name)) + "\n")
    sys.stdout.flush()
    return QUARANTINED if run.status == "completed with quarantine" else 0
