"""Data sets of synthetic English texts, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

WORDS = [
    *("a", "the", "child", "dog", "tree", "man", "woman", "house", "river", "mountain", "street"),
    *("bird", "blue", "green", "slowly", "quickly", "runs", "sees", "under", "over", "with", "and"),
    *("looks", "at", "old", "young"),
]


def make_texts(count: int, seed: int = 7, prefix: str = "row") -> Iterator[dict[str, Any]]:
    """Yield rows of a manifest, of 4 to 20 words each.

    Args:
        count: rows.
        seed: of the words.
        prefix: of their ids.
    """
    draw = random.Random(seed)
    for number in range(count):
        text = " ".join(draw.choices(WORDS, k=draw.randint(4, 20)))
        yield {"id": f"{prefix}-{number:07}", "text": text, "source_language": "en"}


def lengthen_texts(rows: Iterable[dict[str, Any]], characters: int) -> Iterator[dict[str, Any]]:
    """Yield rows with texts of so many characters, each its own text over and over."""
    for row in rows:
        text = row["text"] + " "
        yield {**row, "text": (text * (characters // len(text) + 1))[:characters].strip()}


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write a manifest; gives back its path."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path
