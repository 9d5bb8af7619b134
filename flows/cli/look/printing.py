"""What the command line prints of a run: tables, paths, and the line of ``--json``."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

from rich.text import Text

from components.run_record import RunRecord
from components.storage.stages.reader import read_quarantined
from components.storage.store import Store
from components.text.escaping import to_printable
from flows.cli.help.console import console
from reports.analyses.verdict import describe_findings, verdict_of
from reports.page.report_view import view_of
from reports.terminal import run_printing
from reports.terminal.analysis_printing import print_results, print_verdict

MAX_REASONS = 5
"""Records quarantined by a stage whose reasons the summary gives; `inspect --node` gives all."""


def print_run(run: RunRecord, store: Store) -> None:
    """Print what was found out about a run, its stages with what they cost, its scores, and where it is."""
    out = console()
    print_verdict(verdict_of(run), out)
    print_results(run.stages, out)
    if run.systems:
        for note in run.notes:  # a system that failed, say
            out.print(Text(to_printable(note), "yellow"), soft_wrap=True)
    else:
        run_printing.print_run(view_of(run, store), out)
        for ref in run.stages:
            if ref.quarantined:
                first = list(islice(read_quarantined(ref), MAX_REASONS))
                run_printing.print_quarantined(ref.stage, first, ref.quarantined, run.name, out)
    _print_places(store.run_folder(run.name), ("", "report.html", "texts", "winner.yaml", "recommended.yaml"))


def _print_places(folder: Path, names: Iterable[str]) -> None:
    """Print which of the files of a run there are."""
    for name in names:
        if (folder / name).exists():
            label = name.partition(".")[0] or "run"
            console().print(Text(f"{label:7} {folder / name}"), soft_wrap=True)


def print_analyses(run: RunRecord, kinds: Collection[str], store: Store) -> None:
    """Print what the stages of some kinds say, and which run holds them and all that was there before."""
    out = console()
    shown = [ref for ref in run.stages if ref.kind in kinds]
    print_verdict(describe_findings(shown), out)
    print_results(shown, out)
    _print_places(store.run_folder(run.name), ["winner.yaml"])
    line = f"{run.name}  {run.flow}, {run.status}; its nodes, texts and scores: antiphon inspect {run.name}"
    out.print(Text(to_printable(line), "dim"), soft_wrap=True)


def run_json(run: RunRecord, folder: Path) -> str:
    """Return the one line of ``--json``: run, path, verdict, status, metrics, stages."""
    values = run.model_dump(mode="json", include={"status", "metrics", "stages"})
    verdict = " ".join(sentence.text for sentence in verdict_of(run))
    return json.dumps({"run": run.name, "path": str(folder), "verdict": verdict} | values, ensure_ascii=True)
