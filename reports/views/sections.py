"""Further parts of a report: tables, pictures and sortable columns of stages and comparisons."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_LARGEST = 4 * 2**20  # bytes of a picture that a page carries


@dataclass(frozen=True)
class Section:
    """A titled table of texts with a note and pictures; rows may have different columns."""

    title: str
    note: str = ""
    rows: tuple[Mapping[str, str], ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns of any row, in the order of their first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))


@dataclass(frozen=True)
class Column:
    """A number per utterance that the list can be sorted by; ``first`` says which end matters."""

    name: str
    label: str
    first: Literal["largest", "smallest"] = "largest"


def load_pictures(files: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    """(name, data URI) of each picture; SVG is preferred to PNG, and files above 4 MiB are left out."""
    files_by_name: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.suffix != ".svg", path.name)):
        if path.suffix in _TYPES and path.is_file() and path.stat().st_size <= _LARGEST:
            files_by_name.setdefault(path.stem, path)
    return tuple((name, _data_uri(files_by_name[name])) for name in sorted(files_by_name))


def _data_uri(path: Path) -> str:
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:{_TYPES[path.suffix]};base64,{encoded}"
