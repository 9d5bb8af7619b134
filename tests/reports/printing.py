"""What the terminal shows of an analysis."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from components.analysis.table import Table
from reports.terminal.analysis_printing import print_tables


def printed(tables: Sequence[Table], width: int = 160) -> str:
    """The tables as a terminal of some width shows them."""
    console = Console(file=io.StringIO(), width=width, no_color=True)
    print_tables(tables, console)
    return console.file.getvalue()
