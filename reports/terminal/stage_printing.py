"""One stage of a run in the terminal: its utterances, or those of the data."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from components.errors import DataError
from components.metrics.table import label_of
from components.records import NBest, NodeOutcome, Quarantined, Route, Utterance
from reports.terminal.run_printing import format_quarantined, format_value, plain_text
from reports.terminal.tables import new_table
from reports.views.rows import UtteranceRow
from reports.views.run_view import RunView

_EXAMPLES = 20


def print_data(view: RunView, refused: Iterable[Quarantined], console: Console) -> None:
    """Print the first utterances of a data set, and every record that was quarantined."""
    table = new_table("utterance", ">seconds", "from", "to", "text or transcript")
    for utterance in view.utterances[:_EXAMPLES]:
        seconds_of = f"{utterance.audio.seconds:.1f}" if utterance.audio else ""
        text = utterance.text if utterance.text is not None else utterance.transcript
        languages = utterance.source_language, utterance.target_language or ""
        table.add_row(
            plain_text(utterance.id), seconds_of, *map(plain_text, languages), plain_text(text or "")
        )
    console.print(table)
    bad, count = list(refused), len(view.utterances)
    console.print(Text(f"{min(count, _EXAMPLES):,} of {count:,} shown, {len(bad):,} quarantined", "dim"))
    for quarantined in bad:
        console.print(format_quarantined(quarantined))


def print_stage(view: RunView, stage: str, console: Console) -> None:
    """Print the first outcomes of one stage and everything that it quarantined.

    Raises:
        DataError: the run has no outcomes of that stage.
    """
    if stage not in view.outcomes:
        raise DataError(f"expected a node with outcomes ({', '.join(view.outcomes)}), found {stage!r}")
    node = view.run.pipeline.node(stage)
    if node is not None and node.output != "text":
        table = new_table("utterance", ">value", "way" if node.output == "table" else node.output)
    else:
        name = label_of("wer" if view.transcribes(stage) else "chrf")
        table = new_table("utterance", f">{name}", ">score", "best hypothesis")
    bad: list[Quarantined] = []
    count_shown = 0
    for row in view.rows():
        outcome = row.outcomes.get(stage)
        if isinstance(outcome, Quarantined):
            bad.append(outcome)
        elif outcome is not None and count_shown < _EXAMPLES:
            count_shown += 1
            table.add_row(plain_text(row.utterance.id), *_cells(row, stage, outcome))
    console.print(table)
    total = len(view.outcomes[stage])
    console.print(Text(f"{count_shown:,} of {total - len(bad):,} shown, {len(bad):,} quarantined", "dim"))
    for quarantined in bad:
        console.print(format_quarantined(quarantined))


def _cells(row: UtteranceRow, stage: str, outcome: NodeOutcome) -> tuple[str | Text, ...]:
    """Return what a node gave for an utterance, as cells of its table."""
    if isinstance(outcome, NBest):
        value = format_value(row.alignments.get(stage))
        return value, f"{outcome.best.score:.2f}", plain_text(outcome.best.text)
    if isinstance(outcome, Route):
        return "" if outcome.value is None else f"{outcome.value:.4g}", plain_text(outcome.branch)
    spoken = outcome.audio if isinstance(outcome, Utterance) else None
    return "" if spoken is None else f"{spoken.seconds:.2f} s", plain_text(
        "" if spoken is None else spoken.path
    )
