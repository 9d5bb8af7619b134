"""A command: the words of a file."""

from __future__ import annotations

from pathlib import Path

import typer


def count_words(file: Path) -> None:
    """Count the words of a text file."""
    typer.echo(f"{len(file.read_text(encoding='utf-8').split())} words")
