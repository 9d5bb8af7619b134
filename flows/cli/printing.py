"""What the command line prints of a run: tables, where everything is, and the line of ``--json``."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from rich.text import Text

from components.records import RunRecord
from components.storage.reader import quarantined
from components.storage.store import Store
from flows.cli.console import console
from reports import blaming, comparing, contributing, terminal
from reports.report_view import view_of
from reports.results import read_blame, read_comparison, read_contributions

REASONS = 5
"""Records put aside by a stage whose reasons the summary gives; `inspect --node` gives all."""


def print_run(run: RunRecord, store: Store) -> None:
    """The stages of a run with what they produced and cost, its scores, and where it is kept."""
    out = console()
    compared = [ref for ref in run.stages if ref.kind == "comparison"]
    for ref in compared:
        comparing.print_comparison(read_comparison(ref), out)
    if not compared:
        terminal.print_run(view_of(run, store), out)
        for ref in run.stages:
            if ref.quarantined:
                first = list(islice(quarantined(ref), REASONS))
                terminal.print_refusals(ref.stage, first, ref.quarantined, run.name, out)
    for ref in run.stages:
        if ref.kind == "blame":
            blaming.print_blame(read_blame(ref), out)
        if ref.kind == "contribution":
            contributing.print_contributions(read_contributions(ref), out)
    folder = store.run_folder(run.name)
    places = {"run": folder, "report": folder / "report.html"}
    for name, place in places.items():
        if place.exists():
            out.print(Text(f"{name:7} {place}"), soft_wrap=True)


def run_json(run: RunRecord, folder: Path) -> str:
    """The one line of ``--json``: run, path, status, metrics, stages."""
    values = run.model_dump(mode="json")
    line = {"run": run.name, "path": str(folder)} | {n: values[n] for n in ("status", "metrics", "stages")}
    return json.dumps(line, ensure_ascii=True)
