"""`antiphon runs`: what has been run, the newest first."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, StoreUrl

if TYPE_CHECKING:
    from components.storage.run_listing import RunEntry

MAIN_METRICS, MAX_METRICS = ("wer", "bleu", "chrf"), 3
"""Scores of a run that the table shows, else the first so many; --json gives all."""


def runs(
    store: StoreUrl = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="only the newest N")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the runs of the store, the newest first: flow, status, when, scores.

    Only records are read: `antiphon inspect RUN` also verifies the run's stages.
    """
    from components.storage.run_listing import list_runs
    from components.storage.store import Store

    opened_store = Store(store)
    listed = list_runs(opened_store)
    if as_json:
        line = {"store": opened_store.backend.url, "runs": [_as_dict(run) for run in listed[:limit]]}
        sys.stdout.write(json.dumps(line) + "\n")
    elif listed:
        _print_table(listed[:limit], len(listed))
    else:
        sys.stdout.write(f"no runs in {opened_store.backend.url} yet\n")


def _as_dict(run: RunEntry) -> dict[str, object]:
    record = run.record
    return {
        "name": run.name,
        "flow": record and record.flow,
        "status": run.status,
        "started": run.started,
        "finished": record and record.finished,
        "metrics": {name: score.value for name, score in record.metrics.items()} if record else {},
    }


def _print_table(runs: Sequence[RunEntry], total: int) -> None:
    from rich.text import Text

    from flows.cli.console import console
    from reports.escaping import to_printable
    from reports.terminal.tables import new_table

    rows = new_table("run", "flow", "status", "started (UTC)", "scores")
    for run in runs:
        flow = run.record.flow if run.record else ""
        cells = (run.name, flow, run.status, run.started[:16].replace("T", " "), _scores(run))
        rows.add_row(*(Text(to_printable(cell)) for cell in cells))
    console().print(rows)
    if len(runs) < total:
        console().print(f"{len(runs)} of {total:,} runs; --limit {total} lists all")


def _scores(run: RunEntry) -> str:
    from components.metrics.table import label_of

    metrics = run.record.metrics if run.record else {}
    names = [name for name in MAIN_METRICS if name in metrics] or list(metrics)[:MAX_METRICS]
    return ", ".join(f"{label_of(name)} {metrics[name].value:.1f}" for name in names)
