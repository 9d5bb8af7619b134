"""Data sets as JSONL, written for a test."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> str:
    """Write rows, which are English to German where they say nothing else; gives the path.

    What is None is left out.
    """
    languages = {"source_language": "en", "target_language": "de"}
    records = ({k: v for k, v in {**languages, **row}.items() if v is not None} for row in rows)
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)
