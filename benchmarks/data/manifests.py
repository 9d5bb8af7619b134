"""Manifests of fetched sets: the format ``recordings`` of ``--data``, and parallel text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.files.files import write_atomically


def write_manifest(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON object a line."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomically(path, "".join(lines).encode())


def write_parallel(
    folder: Path, name: str, pairs: Iterable[tuple[str, str]], languages: tuple[str, str]
) -> None:
    """Write NAME.LANGUAGE twice; pairs that stand twice, or that are not translated, once or not at all."""
    kept = list(dict.fromkeys((a, b) for a, b in pairs if a and b and a != b))
    for column, language in enumerate(languages):
        text = "".join(f"{pair[column]}\n" for pair in kept)
        write_atomically(folder / f"{name}.{language}", text.encode())
