"""Prints a run to the terminal: what each node produced and cost, its first texts, its scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.analysis.cost_table import summarize_cost
from components.analysis.formatting import format_memory, format_rtfx, format_seconds
from components.metrics.statistics.bootstrap import MIN_UTTERANCES
from components.records import NBest, Quarantined, Route
from components.run_record import Score
from components.text.escaping import to_printable
from reports.terminal.tables import new_table
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView
from reports.views.utterance_alignment import ReferenceAlignment

_STATUS = {"failed": "red", "blocked": "red", "skipped": "dim", "reused": "dim"}
_FIRST = 3
_MAX_CHARACTERS = 500
"""Of a text in the summary of a run: that of a long recording would push all else off the screen."""


def print_run(view: RunView, console: Console) -> None:
    """Print the run's stages with what they produced and cost, the first texts, then the scores."""
    run = view.run
    console.print(
        Text.assemble((to_printable(run.name), "bold"), f"  {to_printable(run.flow)}, {run.status}")
    )
    console.print(_stages(view))
    shown = [row for row in view.rows(0, _FIRST) if row.outcomes]
    for utterance_row in shown:
        _print_texts(utterance_row, console)
    if shown and (count := len(view.utterances)) > len(shown):
        more = f"antiphon inspect {to_printable(run.name)} --node {list(view.outcomes)[-1]}"
        console.print(Text(f"{len(shown)} of {count:,} utterances; more: {more}", "dim"), soft_wrap=True)
    if run.metrics:
        print_scores(run.scores, console)
    if view.cost is not None and (cost := summarize_cost(view.cost)):
        console.print(Text(f"what the outputs need: {cost}", "dim"))
    for note in run.notes:
        console.print(Text(to_printable(note), "dim"))


def _stages(view: RunView) -> Table:
    """Return a table of the data set, the pipeline's nodes in order, and further stages."""
    table = new_table(
        "node", "kind", "models and ways", ">items", ">quarantined", ">time", ">RTFx", ">memory", ""
    )
    for row in view.stages():
        branches = [f"{branch}: {count:,}" for branch, count in view.branches.get(row.stage, {}).items()]
        numbers = (
            f"{row.items:,}",
            Text(f"{row.quarantined:,}", "yellow" if row.quarantined else "dim"),
            format_seconds(row.seconds),
            format_rtfx(row.rtfx),
            format_memory(row.peak_memory_bytes, row.card_memory),
        )
        table.add_row(
            Text(to_printable(row.stage), "bold"),
            Text(to_printable(row.kind), "dim"),
            Text(to_printable(", ".join([*row.models, *branches]))),
            *(numbers if row.has_stage else ("",) * len(numbers)),
            Text(row.status, _STATUS.get(row.status, "")) if row.status != "computed" else "",
        )
    return table


def _print_texts(row: UtteranceRow, console: Console) -> None:
    """Print one utterance in a few lines: its source text and the best text of every stage."""
    utterance = row.utterance
    console.print(Text(to_printable(utterance.id), "bold"))
    if utterance.text is not None:
        print_line(console, "source", utterance.text)
    for stage, outcome in row.outcomes.items():
        if isinstance(outcome, Quarantined):
            console.print(format_quarantined(outcome))
        elif isinstance(outcome, NBest):
            best = outcome.best.text
            cut = f"{best[:_MAX_CHARACTERS]} ... ({len(best):,} characters)"
            print_line(console, stage, best if len(best) <= _MAX_CHARACTERS else cut)
        elif isinstance(outcome, Route):
            print_line(console, stage, f"→ {outcome.branch}")
    console.print()


def print_quarantined(
    stage: str, first: Sequence[Quarantined], count: int, run: str, console: Console
) -> None:
    """Print why the first records of a stage were quarantined, and how to list the others."""
    console.print(Text.assemble((f"{to_printable(stage)}: {count:,} quarantined", "yellow")))
    for bad in first:
        print_line(console, "", f"{bad.utterance_id}: {bad.reason}: {bad.detail}")
    if count > len(first):
        print_line(console, "", f"and {count - len(first):,} more: antiphon inspect {run} --node {stage}")


def order_scores(scores: Iterable[Score]) -> list[Score]:
    """Return scores in the order of the table of metrics: of transcripts first, then of translations."""
    from components.metrics.table import METRICS  # noqa: PLC0415 - numpy and jiwer, 0.3 s

    ranks = {name: number for number, name in enumerate(METRICS)}
    return sorted(scores, key=lambda score: ranks.get(score.name, len(ranks)))


def print_scores(scores: Iterable[Score], console: Console) -> None:
    """Print scores in the order of the table of metrics, and below them how each was counted."""
    scores = order_scores(scores)
    table = new_table("metric", ">value", ">95% interval", ">scored")
    for score in scores:
        table.add_row(
            Text(to_printable(score.name), "bold"),
            f"{score.value:.2f}",
            format_interval(score),
            f"{score.n:,} of {score.n_total:,}",
        )
    console.print(table)
    names: dict[str, list[str]] = {}
    for score in scores:
        names.setdefault(score.signature, []).append(score.name)
    for signature, alike in names.items():
        console.print(Text(to_printable(f"{', '.join(alike)}: {signature}"), "dim"), soft_wrap=True)
    console.print()


def format_interval(score: Score) -> str:
    """Return a score's interval as text; ``too few`` utterances for one, or empty where it has none."""
    if score.interval is not None:
        return "{:.2f} to {:.2f}".format(*score.interval)
    return "too few" if score.n < MIN_UTTERANCES else ""


def print_line(console: Console, label: str, text: str) -> None:
    """Print a text after its label."""
    console.print(Text.assemble((f"{label:<10} ", "dim"), to_printable(text)))


def plain_text(text: str) -> Text:
    """Return the text in which rich interprets no markup: brackets in a transcript stay brackets."""
    return Text(to_printable(text))


def format_value(comparison: ReferenceAlignment | None) -> str:
    """Return the first score of an utterance; nothing where there is none."""
    values = [] if comparison is None else list(comparison.values.values())
    return "" if not values or values[0] is None else f"{values[0]:.1f}"


def format_quarantined(bad: Quarantined) -> Text:
    """Return why a record was quarantined, in a line."""
    return Text.assemble(
        ("quarantined ", "yellow"), to_printable(f"{bad.utterance_id}: {bad.reason}: {bad.detail}")
    )
