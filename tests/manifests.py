"""Data sets as JSONL, written for a test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

WORDS = ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]


def count_on(n: int) -> str:
    """Twelve words, in an order of its own for twelve numbers."""
    return " ".join(WORDS[(n + k) % 12] for k in range(12))


def write_numbers(path: Path, first: int, count: int) -> str:
    """Write the texts ``u{first}`` and on; each has the reference that :func:`count_on` gives."""
    numbers = range(first, first + count)
    return write_rows(
        path, ({"id": f"u{n}", "text": f"source {n}", "references": [count_on(n)]} for n in numbers)
    )


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> str:
    """Write rows, which are English to German where they say nothing else; gives the path.

    What is None is left out.
    """
    languages = {"source_language": "en", "target_language": "de"}
    records = ({k: v for k, v in {**languages, **row}.items() if v is not None} for row in rows)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)
