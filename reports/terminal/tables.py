"""Tables for the terminal that stay readable on a narrow one: a row that does not fit becomes a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

_SPACE = 3  # columns between two cells
_MIN_TEXT = 24  # columns that a text may be folded to


class FittingTable(Table):
    """A table whose numbers and names are never broken.

    Columns of longer texts are folded between words. Where even that does not fit the terminal, every row is
    printed as its first cell and, below each other or side by side, what the others are called and hold.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print the table, or its rows as lines."""
        least = [
            min(max(widths), _least_of(column)) for column in self.columns if (widths := _widths(column))
        ]
        if sum(least) + _SPACE * (len(least) - 1) > options.max_width:
            yield from self._lines()
            return
        for column, width in zip((c for c in self.columns if _widths(c)), least, strict=True):
            column.min_width = width  # rich would take room from all columns alike, and break long names
        for column in self.columns:
            column.no_wrap = max(_widths(column), default=0) <= _MIN_TEXT
        yield from super().__rich_console__(console, options)

    def _lines(self) -> Iterator[RenderableType]:
        """Yield the rows as lines: numbers with their names, texts without, nothing of what is empty."""
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_column(no_wrap=True)
        lines.add_column(overflow="fold")
        for first, *others in zip(*(map(_to_text, column.cells) for column in self.columns), strict=True):
            facts = Text()
            for column, cell in zip(self.columns[1:], others, strict=True):
                if cell.plain:
                    name = f"{column.header} " if column.justify == "right" and column.header else ""
                    facts.append_text(Text.assemble(", " if facts else "", (name, "dim"), cell))
            lines.add_row(first, facts)
        yield lines
        yield Text()


def _widths(column: Column) -> list[int]:
    cells = (column.header, *column.cells)
    return [max(map(cell_len, _to_text(cell).plain.splitlines()), default=0) for cell in cells]


def _least_of(column: Column) -> int:
    """Columns that a column needs: all of a name or a number, the longest word of a text."""
    words = [word for cell in column.cells for word in _to_text(cell).plain.split()]
    return max(_MIN_TEXT, *map(cell_len, words)) if words else _MIN_TEXT


def _to_text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))


def new_table(*columns: str) -> FittingTable:
    """Return an empty table; a column whose name begins with ``>`` is right-aligned."""
    table = FittingTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return table
