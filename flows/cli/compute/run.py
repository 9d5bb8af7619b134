"""`antiphon run`: parameters from file and flags, the flow in this process, its result printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from components.run_record import RunRecord
from flows.cli.compute.launchers import LAUNCHERS
from flows.cli.compute.parameters.run_parameters import check_size, resolve_parameters
from flows.cli.compute.run_display import RunDisplay, display_run
from flows.cli.help.commands import RunCommand
from flows.cli.help.model_flags import Values, gather_values, with_flags
from flows.cli.help.options import (
    AllParameters,
    AsJson,
    Assignments,
    CheckOnly,
    Chunks,
    Config,
    FlowOrFile,
    ListParameters,
    Policies,
    Processes,
    Simultaneous,
    Template,
    Until,
    Yes,
)
from flows.cli.help.pages import HELP
from flows.cli.help.verbosity import Verbosity, print_notice, verbosity
from flows.parameters.base import DataParameters
from flows.parameters.pipeline_files import is_pipeline_file
from flows.registry import FLOWS, FlowEntry
from flows.server.server_process import ServerProcess, start_importing

PANEL = "Build"

EXIT_QUARANTINED = 3


FLAGS = (
    "data",
    "audio",
    "target_language",
    "limit",
    "model_metrics",
    "anyway",
    "name",
    "replace",
    "store",
    "engine",
)
"""Parameters of runs over a data set that have a flag."""


@with_flags(DataParameters, *FLAGS)
def run(  # noqa: PLR0913, PLR0917 - one argument per flag that is no parameter
    flow: FlowOrFile,
    values: Values,
    config: Config = None,
    assignments: Assignments = None,
    until: Until = None,
    as_json: AsJson = False,
    parameters: ListParameters = False,
    all_parameters: AllParameters = False,
    template: Template = False,
    check: CheckOnly = False,
    yes: Yes = False,
    processes: Processes = 1,
    simultaneous: Simultaneous = False,
    policy: Policies = None,
    chunk: Chunks = None,
) -> None:
    """Run a preset, or a pipeline of your own.

    What is finished is reused, what was interrupted goes on. FILE.yaml holds a graph of models and what it
    is run on (docs/use/pipelines.md); a `matrix` of settings in it is compared, and `--until NODE` runs a
    part. Every flow has parameters of its own: `antiphon run FLOW --help` explains them, and `--set` or a
    FILE sets them. A flag below that FLOW has no parameter for is refused.

    For example:

    - `antiphon run cascade` runs the sample set: speech, transcript, translation, scores, report.

    - `antiphon run cascade --audio talk.wav --target-language de` needs no manifest.

    - `antiphon run cascade --data manifest.jsonl --set asr.beam_size=1 --set mt.model=hub:ORG/NAME`

    - `antiphon run examples/routed_cascade.yaml --data talks.jsonl --set nodes.good.beam_size=8`

    - `antiphon run cascade --simultaneous --chunk 0.5` also says how late it would be live.

    - `antiphon run cascade --model-metrics comet:hub:Unbabel/wmt22-comet-da`

    - `antiphon run cascade -c cascade.yaml --set mt.beam_size=5 --json`

    A later value wins: the defaults, then FILE, then the flags, then --set.
    """
    if parameters or template:
        shown = "pipeline" if is_pipeline_file(flow) else flow
        if template:
            HELP["printing"].print_template(shown)
        else:
            HELP["printing"].print_parameters(shown, as_json=as_json, all_of_them=all_parameters)
        return
    flags = gather_values(values, until=until)
    if check:
        HELP["check"].check_flow(flow, config, assignments or [], flags, as_json=as_json, yes=yes)
        return
    if processes > 1 and os.environ.get("WORLD_SIZE", "1") == "1":  # else it is one of them
        raise typer.Exit(LAUNCHERS.only().run_over_processes(processes, sys.argv[1:]))
    if simultaneous or policy or chunk:
        ended, url = compute_flow(flow, config, assignments or [], flags, yes=yes)
        if isinstance(ended, int):
            raise typer.Exit(ended)
        print_result(ended, url, as_json=False)
        flow, config, assignments = "simultaneous", None, None
        flags = gather_values({"run": ended.name}, store=url, policy=policy, chunk=chunk)
    raise typer.Exit(run_flow(flow, config, assignments or [], flags, as_json=as_json, yes=yes))


run.command_class = RunCommand  # type: ignore[attr-defined]


def run_flow(
    name: str,
    config: Path | None,
    assignments: Sequence[str],
    shortcuts: Mapping[str, object],
    *,
    as_json: bool,
    yes: bool = True,
) -> int:
    """Run a flow to its end and print its result; returns the exit code.

    What can be refused is refused before Prefect starts; ``yes``: also a training by mere defaults.

    Raises:
        AntiphonError: what the flow raised.
    """
    ended, store = compute_flow(name, config, assignments, shortcuts, yes=yes)
    if isinstance(ended, int):
        return ended
    added = FLOWS[name].adds if name in FLOWS and verbosity() < Verbosity.VERBOSE else ()
    return print_result(ended, store, as_json=as_json, added=added)


def compute_flow(
    name: str,
    config: Path | None,
    assignments: Sequence[str],
    shortcuts: Mapping[str, object],
    *,
    yes: bool = True,
) -> tuple[RunRecord | int, str | None]:
    """Run a flow to its end without printing; returns its record, or an exit code, and the URL of its store.

    Raises:
        AntiphonError: what the flow raised.
    """
    server = start_importing()
    entry, parameters = resolve_parameters(name, config, assignments, shortcuts)
    if not yes:
        entry.require_intent(parameters)
    with display_run() as display:
        return call_flow(entry, parameters, server, display), parameters.store


_IMPORTED_BY_RUNS = ("prefect.flow_engine", "fastapi.encoders", "sacrebleu.metrics", "jiwer", "graphviz")
"""What every run comes to import when it begins, scores and writes its report."""


def call_flow(
    entry: FlowEntry, parameters: Any, server: ServerProcess | None, display: RunDisplay
) -> RunRecord | int:
    """Return the record of a flow that ran to its end; an exit code if SIGTERM ended it.

    ``server``: the process of Prefect's server that imports already, if one was started.
    """
    from flows.server.ephemeral_server import (
        check_server,
        describe_lost_server,
        spare_heartbeats,
        start_server,
    )

    check_size(parameters)
    start_server(server)  # meanwhile what follows is imported and checked
    from flows import signals
    from flows.checks import run_checks
    from tasks.task_options import unwrap

    run_checks(entry.checks(parameters))
    call = entry.call
    display.attach()
    for name in _IMPORTED_BY_RUNS:
        import_module(name)  # while the server starts, on another core
    check_server()
    try:
        with signals.handle_signals(display.close), spare_heartbeats():
            returned = call(**{field: getattr(parameters, field) for field in type(parameters).model_fields})
    except signals.SigtermReceived:
        return signals.exit_after_sigterm()
    except Exception as error:
        if message := describe_lost_server(error):
            display.close()
            print_notice(message)
            signals.exit_now(1)  # Prefect would try for minutes to send its last events
        raise
    record: RunRecord = unwrap(returned)
    return record


def print_result(run: RunRecord, store_url: str | None, *, as_json: bool, added: Collection[str] = ()) -> int:
    """Print a run, or only what its stages of the kinds ``added`` say; returns the exit code.

    The code is 3 if records were quarantined.
    """
    from components.storage.store import Store
    from flows.cli.look.printing import print_analyses, print_run, run_json

    store = Store(store_url)
    if added:
        print_analyses(run, added, store)
    else:
        print_run(run, store)
    if as_json:
        sys.stdout.write(run_json(run, store.run_folder(run.name)) + "\n")
    sys.stdout.flush()
    return EXIT_QUARANTINED if run.status == "completed with quarantine" else 0
