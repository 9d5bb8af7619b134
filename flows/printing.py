"""What the command line prints of a run: a table of stages, one of scores, and where everything is."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.records import Outcome, Quarantined, RunRecord, StageRef


def audio_seconds(stage: StageRef, data: StageRef | None) -> float | None:
    """Seconds of audio that a recognising stage worked on; None for other stages."""
    from tasks.reading import utterances

    if stage.stage not in {"asr", "st"} or data is None:
        return None
    return sum(u.audio.seconds for u in utterances(data) if u.audio is not None)


def stages_table(run: RunRecord) -> Table:
    """What each stage produced and cost. The real-time factor is compute time by audio time."""
    table = Table(title=f"{run.flow}: {run.name}", title_justify="left")
    table.add_column("stage")
    for name in ("items", "quarantined", "seconds", "real-time factor", "peak memory"):
        table.add_column(name, justify="right")
    table.add_column("")
    data = next((ref for ref in run.stages if ref.stage == "data"), None)
    for ref in run.stages:
        audio = audio_seconds(ref, data)
        factor = f"{ref.seconds / audio:.2f}" if audio else ""
        memory = f"{ref.peak_memory_bytes / 2**20:.0f} MiB"
        row = (ref.stage, str(ref.items), str(ref.quarantined), f"{ref.seconds:.1f}", factor, memory)
        table.add_row(*row, "reused" if ref.reused else "")
    return table


def metrics_table(run: RunRecord) -> Table:
    """Every score with its interval, how many utterances it covers, and its protocol."""
    table = Table(title="scores", title_justify="left")
    table.add_column("metric")
    for name in ("value", "95% interval", "scored"):
        table.add_column(name, justify="right")
    table.add_column("protocol", overflow="fold")
    for score in run.metrics.values():
        interval = f"{score.interval[0]:.1f} to {score.interval[1]:.1f}" if score.interval else ""
        scored = f"{score.n} of {score.n_total}"
        table.add_row(score.name, f"{score.value:.2f}", interval, scored, escape(score.signature))
    return table


def print_run(run: RunRecord, folder: Path) -> None:
    """The whole of a run on standard output."""
    console = Console()
    console.print(stages_table(run))
    if run.metrics:
        console.print(metrics_table(run))
    for note in run.notes:
        console.print(f"note: {escape(note)}")
    console.print(f"run     {folder}", soft_wrap=True, highlight=False)
    report = folder / "report.html"
    if report.is_file():
        console.print(f"report  {report}", soft_wrap=True, highlight=False)


def run_json(run: RunRecord, folder: Path) -> str:
    """The one line of ``--json``: run, path, status, metrics, stages."""
    values = run.model_dump(mode="json")
    line = {"run": run.name, "path": str(folder)} | {n: values[n] for n in ("status", "metrics", "stages")}
    return json.dumps(line, ensure_ascii=False)


def outcome_lines(stage: str, outcome: Outcome) -> list[str]:
    """What a stage said about one utterance, hypotheses with their log-probabilities."""
    if isinstance(outcome, Quarantined):
        return [f"{stage}: quarantined, {outcome.reason}: {outcome.detail}"]
    head = f"{stage}: {len(outcome.hypotheses)} hypotheses"
    if outcome.language:
        head += f", source language {outcome.language}"
    return [head, *(f"  {hyp.score:9.3f}  {hyp.text}" for hyp in outcome.hypotheses)]
