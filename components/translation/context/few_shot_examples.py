"""Examples for the prompt of a decoder-only model, from a file."""

from __future__ import annotations

from pathlib import Path

from components.audio.container import read_regular_file
from components.errors import ConfigError, DataError
from components.files.file_limits import MAX_TEXT
from components.files.json_text import parse_json


def read_examples(path: Path) -> list[tuple[str, str]]:
    """Read a JSONL file of {"source": ..., "target": ...}. ConfigError names a line that is none."""
    try:
        lines = read_regular_file(path, MAX_TEXT).decode("utf-8-sig").splitlines()
    except (OSError, DataError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{str(path)[:200]}: expected a readable UTF-8 JSONL file of examples, found: {error}"
        ) from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
            pair = (" ".join(row["source"].split()), " ".join(row["target"].split()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f'{path}:{number}: expected {{"source": "...", "target": "..."}}') from error
        pairs.append(pair)
    return pairs
