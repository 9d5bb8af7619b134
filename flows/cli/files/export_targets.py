"""Where the commands that write texts write them: files, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import ConfigError
from components.export.format_names import LIBRARIES, TextFormat
from flows.parameters.written_texts import RULES, STANDARD_OUTPUT

OUTPUT_FLAGS = ("format", "out", "bilingual", "confidence", "karaoke", "overwrite", *RULES)
"""Parameters of written texts that have a flag."""
NO_TEXTS = frozenset(
    {"mp3", "wav", "flac", "ogg", "m4a", "mp4", "mkv", "mov", "webm", "avi", "pdf", "zip", "tar", "gz"}
)
"""Endings of files that no format has, and no folder is meant to have."""


def refuse_binary_output(formats: Sequence[TextFormat]) -> None:
    """Refuse to show in a terminal what is no text. Raises ConfigError."""
    binary = [form for form in formats if form in LIBRARIES]
    if binary and sys.stdout.isatty():
        raise ConfigError(f"--format {binary[0]}: expected --out FILE.{binary[0]} or a folder, found none")


def single_file(out: str | None, formats: Sequence[TextFormat]) -> Path | None:
    """Return ``--out``, where it is one file: its ending is a format, and no folder has its name."""
    if out is None or out == STANDARD_OUTPUT or Path(out).is_dir():
        return None
    ending = Path(out).suffix.lower().removeprefix(".")
    if ending in NO_TEXTS:
        raise ConfigError(f"--out: expected a folder or a file of {', '.join(formats)}, found {out}")
    return Path(out) if Path(out).suffix.removeprefix(".") in formats else None
