"""The console for tables."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def console() -> Console:
    """Return the standard output; a pipe or a file gets lines wide enough for the tables."""
    is_piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=120 if is_piped else None)
