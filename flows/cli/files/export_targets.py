"""Where the commands that write texts write them: files, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import ConfigError
from components.export.format_names import LIBRARIES, TextFormat
from flows.parameters.written_texts import RULES, STANDARD_OUTPUT

OUTPUT_FLAGS = ("format", "out", "bilingual", "confidence", "overwrite", *RULES)
"""Parameters of written texts that have a flag."""


def refuse_binary_output(formats: Sequence[TextFormat]) -> None:
    """Refuse to show in a terminal what is no text. Raises ConfigError."""
    binary = [form for form in formats if form in LIBRARIES]
    if binary and sys.stdout.isatty():
        raise ConfigError(f"--format {binary[0]}: expected --out FILE.{binary[0]} or a folder, found none")


def single_file(out: str | None, formats: Sequence[TextFormat]) -> Path | None:
    """``--out``, where it is one file: its ending is a format, and no folder has its name."""
    if out is None or out == STANDARD_OUTPUT or Path(out).is_dir():
        return None
    return Path(out) if Path(out).suffix.removeprefix(".") in formats else None
