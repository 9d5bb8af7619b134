"""Tables for the terminal that stay tables on a narrow one, where less is shown and nothing is cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

_SPACE, _EDGES = 3, 2  # columns between two cells, and left and right of a table
_WIDE_TEXT, _NARROW_TEXT = 24, 11  # columns that a text may be folded to
_INTERVAL = re.compile(r" (\(\S+ to \S+\))$")
NO_INTERVALS = "95% intervals: in a wider terminal, in the report, with --json"


class FittingTable(Table):
    """A table whose numbers and names are never broken.

    Columns of longer texts are folded between words. Where that does not fit the terminal, intervals stand
    below their values; then they are left out, which a line says; then every row is printed as its first cell
    and, below each other or side by side, what the others are called and hold.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print the table as wide as it can be, or its rows as lines."""
        for change in (None, _stack, _drop):
            table = self if change is None else self._changed(change)
            for text_width in (_WIDE_TEXT, _NARROW_TEXT):
                if table._fit(text_width, options.max_width):
                    yield from Table.__rich_console__(table, console, options)
                    if change is _drop and table._texts() != self._texts():
                        yield Text(NO_INTERVALS, "dim")
                    return
        yield from self._lines()

    def _fit(self, text_width: int, room: int) -> bool:
        """Give every column the width that it needs; returns whether there is room for all."""
        whole = [max(_widths(column)) for column in self.columns]
        least = [_least_of(column, text_width) for column in self.columns]
        spare = room - sum(least) - _SPACE * (len(least) - 1) - _EDGES
        if spare < 0:
            return False
        wanted = sorted(zip(whole, least, self.columns, strict=True), key=lambda each: each[0] - each[1])
        for left, (most, width, column) in zip(range(len(wanted), 0, -1), wanted, strict=True):
            column.width = min(most, width + spare // left)  # rich would take room from all, and cut names
            column.no_wrap, spare = column.width == most, spare - column.width + width
        return True

    def _changed(self, change: Callable[[Text], Text]) -> FittingTable:
        """Return a copy whose right-aligned cells, which are numbers, are changed."""
        copy = FittingTable(box=self.box, pad_edge=self.pad_edge, header_style=self.header_style)
        for column in self.columns:
            copy.add_column(column.header, justify=column.justify, overflow=column.overflow)
        for row in zip(*(column.cells for column in self.columns), strict=True):
            cells = zip(self.columns, map(_to_text, row), strict=True)
            copy.add_row(*(change(cell) if column.justify == "right" else cell for column, cell in cells))
        return copy

    def _texts(self) -> list[str]:
        return [_to_text(cell).plain for column in self.columns for cell in column.cells]

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


def _stack(cell: Text) -> Text:
    """Return a number with its interval on a line below."""
    match = _INTERVAL.search(cell.plain)
    return cell if match is None else Text("\n").join([cell[: match.start()], cell[match.start(1) :]])


def _drop(cell: Text) -> Text:
    """Return a number without its interval."""
    match = _INTERVAL.search(cell.plain)
    return cell if match is None else cell[: match.start()]


def _widths(column: Column) -> list[int]:
    cells = (column.header, *column.cells)
    return [max(map(cell_len, _to_text(cell).plain.splitlines()), default=0) for cell in cells]


def _least_of(column: Column, text_width: int) -> int:
    """Return columns that a column needs: all of a number, the longest word of a text."""
    words = [word for cell in column.cells for word in _to_text(cell).plain.split()]
    least = max([text_width, *map(cell_len, words)])
    return max(_widths(column)) if column.justify == "right" else min(least, max(_widths(column)))


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
