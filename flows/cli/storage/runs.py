"""`antiphon runs`: what has been run, the newest first, and what can be done with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import ConfigError
from flows.cli.help.options import AsJson, StoreUrl
from flows.cli.storage import run_archives, run_changes, run_outputs
from flows.cli.storage.run_details import show

if TYPE_CHECKING:
    from components.storage.runs.run_listing import RunEntry

PANEL = "Keep"

MAIN_METRICS, MAX_METRICS = ("wer", "bleu", "chrf"), 3
"""Scores of a run that the table shows, else the first so many; --json gives all."""

FlowFilter = Annotated[str | None, typer.Option("--flow", metavar="FLOW", help="only runs of this flow")]
StatusFilter = Annotated[
    str | None,
    typer.Option(
        "--status", metavar="STATUS", help="completed, failed, cancelled, running, unfinished, accepted ..."
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DATE", help="only those begun since 2026-11-01")
]
DEFAULT_LIMIT = 20
MaxRuns = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="only the newest N")]

runs_app = typer.Typer(invoke_without_command=True)


@runs_app.callback()
def runs(
    context: typer.Context,
    store: StoreUrl = None,
    flow: FlowFilter = None,
    status: StatusFilter = None,
    since: Since = None,
    limit: MaxRuns = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List, show, rename, delete, accept and move runs.

    Without a command it lists them. Examples:

    - `antiphon runs list --flow cascade --since 2026-11-01`

    - `antiphon runs show RUN`, with its parameters, stages, scores and the command that repeats it

    - `antiphon runs accept RUN --note 'shipped'`, and `antiphon compare OTHER` compares with it

    - `antiphon runs export RUN talk.tar.gz --with-audio`, and `antiphon runs import talk.tar.gz` elsewhere

    `antiphon store` has what concerns all runs: usage, verify, prune.
    """
    if context.invoked_subcommand is None:
        list_runs(store, flow, status, since, limit, as_json=as_json)
    elif store or flow or status or since or as_json or limit != DEFAULT_LIMIT:
        raise ConfigError(f"expected options behind {context.invoked_subcommand}, found some before it")


@runs_app.command("list")
def list_runs(
    store: StoreUrl = None,
    flow: FlowFilter = None,
    status: StatusFilter = None,
    since: Since = None,
    limit: MaxRuns = DEFAULT_LIMIT,
    as_json: AsJson = False,
) -> None:
    """List the runs of the store, the newest first: flow, status, when, scores.

    Only the records of those that are listed are read: `antiphon inspect RUN` also verifies a run's stages.
    """
    from components.storage.runs import run_listing
    from components.storage.store import Store

    opened_store = Store(store)
    listed = list(islice(_select(run_listing.iterate_runs(opened_store), flow, status, since), limit + 1))
    if as_json:
        line = {"store": opened_store.backend.url, "runs": [_as_dict(run) for run in listed[:limit]]}
        sys.stdout.write(json.dumps(line) + "\n")
    elif listed:
        _print_table(listed[:limit])
        if len(listed) > limit:
            total = len(opened_store.backend.list_run_names())
            sys.stdout.write(f"the newest {limit}; --limit {total} lists all\n")
    else:
        such = "such " if flow or status or since else ""
        sys.stdout.write(f"no {such}runs in {opened_store.backend.url} yet\n")


def _select(
    runs: Iterable[RunEntry], flow: str | None, status: str | None, since: str | None
) -> Iterator[RunEntry]:
    """Yield the runs, newest first, of a flow and status (or its beginning) that began at or after a date."""
    from flows.cli.help.amounts import parse_date

    first = parse_date(since, "--since") if since else ""
    return (
        run
        for run in takewhile(lambda run: run.started >= first, runs)
        if (flow is None or (run.record is not None and run.record.flow == flow))
        and (status is None or _has_status(run, status))
    )


def _has_status(run: RunEntry, status: str) -> bool:
    return run.acceptance is not None if status == "accepted" else run.status.startswith(status)


def _as_dict(run: RunEntry) -> dict[str, object]:
    record = run.record
    return {
        "name": run.name,
        "flow": record and record.flow,
        "status": run.status,
        "started": run.started,
        "finished": record and record.finished,
        "accepted": run.acceptance and run.acceptance.model_dump(mode="json"),
        "metrics": {name: score.value for name, score in record.metrics.items()} if record else {},
    }


def _print_table(runs: Sequence[RunEntry]) -> None:
    from rich.text import Text

    from components.text.escaping import to_printable
    from flows.cli.help.console import console
    from reports.terminal.tables import new_table

    rows = new_table("run", "flow", "status", "started (UTC)", "scores")
    for run in runs:
        flow = run.record.flow if run.record else ""
        status = f"{run.status}, accepted" if run.acceptance else run.status
        cells = (run.name, flow, status, run.started[:16].replace("T", " "), _scores(run))
        rows.add_row(*(Text(to_printable(cell)) for cell in cells))
    console().print(rows)


def _scores(run: RunEntry) -> str:
    from components.metrics.table import label_of

    metrics = run.record.metrics if run.record else {}
    names = [name for name in MAIN_METRICS if name in metrics] or list(metrics)[:MAX_METRICS]
    return ", ".join(f"{label_of(name)} {metrics[name].value:.1f}" for name in names)


runs_app.command("show")(show)
for command in (run_changes.rename, run_changes.delete, run_changes.accept):
    runs_app.command()(command)
runs_app.command("export")(run_archives.export_run)
runs_app.command("import")(run_archives.import_run)
runs_app.command("import-outputs")(run_outputs.import_outputs)
