"""What the command line prints of a run: tables, paths, and the line of ``--json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.text import Text

from components.run_record import RunRecord, StageRef
from components.storage.stages.reader import read_quarantined
from components.storage.store import Store
from flows.cli.help.console import console
from reports.analyses import (
    attribution_report,
    comparison_report,
    contribution_report,
    improvement_report,
    tuning_report,
)
from reports.analyses.stage_results import (
    read_blame,
    read_comparison,
    read_confirmation,
    read_contributions,
    read_improvement,
    read_study,
)
from reports.escaping import to_printable
from reports.page.report_view import view_of
from reports.terminal import run_printing

MAX_REASONS = 5
"""Records quarantined by a stage whose reasons the summary gives; `inspect --node` gives all."""


def print_run(run: RunRecord, store: Store) -> None:
    """What was found out about a run, its stages with what they cost, its scores, and where it is kept."""
    out = console()
    _print_analyses(run.stages, out)
    if comparisons := [read_comparison(ref) for ref in run.stages if ref.kind == "comparison"]:
        printed = {note for comparison in comparisons for note in comparison.notes}
        for note in run.notes:  # a system that failed, say
            if note not in printed:
                out.print(Text(to_printable(note), "yellow"), soft_wrap=True)
    else:
        run_printing.print_run(view_of(run, store), out)
        for ref in run.stages:
            if ref.quarantined:
                first = list(islice(read_quarantined(ref), MAX_REASONS))
                run_printing.print_quarantined(ref.stage, first, ref.quarantined, run.name, out)
    folder = store.run_folder(run.name)
    places = {"run": folder, "report": folder / "report.html", "texts": folder / "texts"}
    places |= {"winner": folder / "winner.yaml"}
    for name, path in places.items():
        if path.exists():
            out.print(Text(f"{name:7} {path}"), soft_wrap=True)


def print_analysis(run: RunRecord, kind: str) -> None:
    """What the stage of a kind says, and in a line which run holds it, with all that was added before."""
    out = console()
    _print_analyses([ref for ref in run.stages if ref.kind == kind], out)
    line = f"{run.name}  {run.flow}, {run.status}; its nodes, texts and scores: antiphon inspect {run.name}"
    out.print(Text(to_printable(line), "dim"), soft_wrap=True)


def _print_analyses(stages: Sequence[StageRef], out: Console) -> None:
    """The answers for which a run was analyzed, before the scores that it had already."""
    results = {ref.kind: ref for ref in stages}
    if "study" in results:
        confirmed = read_confirmation(results["confirmation"]) if "confirmation" in results else None
        tuning_report.print_study(read_study(results["study"]), confirmed, out)
    for ref in stages:
        if ref.kind == "comparison":
            comparison_report.print_comparison(read_comparison(ref), out)
        if ref.kind == "blame":
            attribution_report.print_blame(read_blame(ref), out)
        if ref.kind == "contribution":
            contribution_report.print_contributions(read_contributions(ref), out)
        if ref.kind == "improvement":
            improvement_report.print_improvement(read_improvement(ref), out)


def run_json(run: RunRecord, folder: Path) -> str:
    """The one line of ``--json``: run, path, status, metrics, stages."""
    values = run.model_dump(mode="json")
    line = {"run": run.name, "path": str(folder)} | {n: values[n] for n in ("status", "metrics", "stages")}
    return json.dumps(line, ensure_ascii=True)
