"""JSON and JSON lines, compressed so that the same values are always the same bytes (no time, no name)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.files import write_bytes

_LEVEL = 9


def write_json(path: Path, value: Any) -> None:
    """Write one value; the order of its keys stays."""
    _write(path, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def read_json(path: Path) -> Any:
    """What :func:`write_json` wrote."""
    return json.loads(gzip.decompress(path.read_bytes()))


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Write one value a line."""
    lines = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
    _write(path, "\n".join(lines))


def read_json_lines(path: Path) -> list[Any]:
    """What :func:`write_json_lines` wrote."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def _write(path: Path, text: str) -> None:
    write_bytes(path, gzip.compress(f"{text}\n".encode(), _LEVEL, mtime=0))
