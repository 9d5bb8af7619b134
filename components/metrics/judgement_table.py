"""Judgements as a tab-separated table that people or spreadsheets wrote: its rows, and its faults by kind."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from components.errors import ConfigError


class TableFaults:
    """What is wrong in a table, by kind: how many, and the first.

    Args:
        where: the file's name, for messages.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, line: int, what: str) -> None:
        """Note a fault."""
        self._kinds.setdefault(kind, []).append(f"line {line}: {what}")

    def refuse(self) -> None:
        """Raise a line per kind, if there is any.

        Raises:
            ConfigError: there is.
        """
        if self._kinds:
            raise ConfigError(
                "\n".join(
                    f"{self.where}: {kind}, found {len(places):,} that are not (first in {places[0]})"
                    for kind, places in self._kinds.items()
                )
            )


def open_table(text: str) -> csv.DictReader[str]:
    """Read the rows below the header, whose names are in lower case; none below an unreadable one."""
    whole = text.removesuffix("\n") + "\n"  # so that an open quote in the last row is seen, too
    reader = csv.DictReader(io.StringIO(whole, newline=""), delimiter="\t")
    try:
        header = reader.fieldnames or ()
    except csv.Error:
        header = ()
    reader.fieldnames = [name.strip().lower() for name in header]
    return reader


def read_cells(reader: csv.DictReader[str], faults: TableFaults) -> Iterator[dict[str | Any, str | Any]]:
    """Yield a table's rows; a quote that does not close takes those below it into its cell: a fault."""
    kind = "expected quotes that close in their cell"
    try:
        for cells in reader:
            for cell in cells.values():
                if isinstance(cell, str) and "\n" in cell and "\t" in cell:
                    start = reader.line_num - cell.rstrip("\r\n").count("\n")
                    faults.add(kind, start, repr(cell[:40]))
            yield cells
    except csv.Error as error:  # a cell of more than 128 KiB
        faults.add(kind, reader.line_num + 1, str(error))
