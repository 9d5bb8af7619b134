"""Prints what an analysis found out: its lines, then its tables, as the page has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from components.analysis.analysis import results_of
from components.analysis.table import Sentence, Table
from components.run_record import StageRef
from components.text.escaping import to_printable
from reports.terminal.tables import new_table

MAX_ROWS = 30
"""Rows of a table; the report has all of them."""


def print_results(stages: Sequence[StageRef], console: Console) -> None:
    """Print the tables of what the analyses of some stages found out."""
    for ref, result in results_of(stages):
        print_tables(result.tables(result.read(ref)), console)


def print_verdict(sentences: Iterable[Sentence], console: Console) -> None:
    """Print the sentences of a verdict, a line each."""
    for sentence in sentences:
        console.print(Text(to_printable(sentence.text), "bold"))


def print_tables(tables: Sequence[Table], console: Console) -> None:
    """Print tables, each with its title, its note, and how its numbers were made."""
    for table in tables:
        console.print(Text(to_printable(table.title), "bold"))
        if table.rows:
            listed = new_table(*(f">{name}" if table.is_numeric(name) else name for name in table.columns))
            for row in table.rows[:MAX_ROWS]:
                cells = (to_printable(table.text(row, name)) for name in table.columns)
                listed.add_row(*map(Text, cells))
            console.print(listed)
        if (rest := len(table.rows) - MAX_ROWS) > 0:
            console.print(Text(f"{rest:,} more in the report", "dim"))
        for text in filter(None, (table.note, table.protocol)):
            console.print(Text(to_printable(text), "dim"))
