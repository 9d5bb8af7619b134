"""Tables that page, terminal, Prefect artifact and ``tables.json`` draw alike."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_NUMBER = re.compile(r"[<+-]?\d[\d.,]*( ?[A-Za-z%]{1,3})?( \([^)]*\))?")  # 3.9 (2.5 to 5.5), 1.2 GiB, <0.001
_LARGEST = 4 * 2**20  # bytes of a picture that a page carries


class Link(NamedTuple):
    """A text that leads to a place of the page; ``target`` is a fragment with its ``#``."""

    text: str
    target: str


Cell = str | Link


class Sentence(NamedTuple):
    """A sentence of a verdict; ``link`` ends it, with what to look at."""

    text: str
    link: Link | None = None


@dataclass(frozen=True)
class Plot:
    """A figure that is drawn when it is asked for.

    Attributes:
        name: of its files.
        title: over it.
        draw: draws it; imports matplotlib.
    """

    name: str
    title: str
    draw: Callable[[], Figure]

    @cached_property
    def figure(self) -> Figure:
        """The figure, drawn once."""
        return self.draw()


@dataclass(frozen=True)
class Table:
    """A titled table of texts; rows may have different columns.

    Attributes:
        title: of the table.
        note: what a reader must know of it.
        rows: column -> text.
        plots: figures of the same numbers.
        pictures: name and data URI of pictures that are there already.
        protocol: how the numbers were made, for small print.
        columns: in their order; those of any row, as they first appear, if none are stated.
    """

    title: str
    note: str = ""
    rows: tuple[Mapping[str, Cell], ...] = ()
    plots: tuple[Plot, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()
    protocol: str = ""
    columns: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.columns:
            names = dict.fromkeys(name for row in self.rows for name in row)
            object.__setattr__(self, "columns", tuple(names))

    def text(self, row: Mapping[str, Cell], column: str) -> str:
        """Return the text of a cell; empty where the row has none."""
        cell = row.get(column, "")
        return cell if isinstance(cell, str) else cell.text

    def to_json(self) -> dict[str, Any]:
        """Return the table as ``tables.json`` holds it."""
        rows = [{name: self.text(row, name) for name in row} for row in self.rows]
        return {"title": self.title, "note": self.note, "columns": list(self.columns), "rows": rows}

    def is_numeric(self, column: str) -> bool:
        """Return whether all filled cells of a column are numbers, maybe with a unit or an interval."""
        texts = [self.text(row, column) for row in self.rows]
        return any(texts) and all(_NUMBER.fullmatch(text) for text in texts if text)


@dataclass(frozen=True)
class Column:
    """A number per utterance that the list is sorted and filtered by; ``first`` is the end that matters."""

    name: str
    label: str
    first: Literal["largest", "smallest"] = "largest"

    @property
    def key(self) -> str:
        """Its name in filter expressions: ``change: tiny`` is ``change-tiny``."""
        return re.sub(r"[\W_]+", "-", self.name.lower()).strip("-")


def link_to_utterance(utterance_id: str) -> Link:
    """Return the id, leading to its utterance."""
    return Link(utterance_id, f"#utterance={quote(utterance_id, safe='')}")


def link_to_filter(text: str, expression: str) -> Link:
    """Return a text that filters the list of utterances."""
    return Link(text, f"#filter={quote(expression, safe='')}")


def filter_by(key: str, *values: str, operator: Literal[":", "="] = ":") -> str:
    """Return the filter expression of utterances whose ``key`` is one of ``values``.

    ``operator``: ``:`` selects the regions of a language as well (``en-US`` of ``en``), ``=`` does not.
    """
    quoted = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f"{key}{operator}" + ",".join(f'"{value}"' for value in quoted)


def load_pictures(files: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    """Load (name, data URI) of each picture; SVG is preferred to PNG, files above 4 MiB are left out."""
    files_by_name: dict[str, Path] = {}
    for path in sorted(files, key=lambda path: (path.suffix != ".svg", path.name)):
        if path.suffix in _TYPES and path.is_file() and path.stat().st_size <= _LARGEST:
            files_by_name.setdefault(path.stem, path)
    return tuple((name, _data_uri(files_by_name[name])) for name in sorted(files_by_name))


def _data_uri(path: Path) -> str:
    encoded = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:{_TYPES[path.suffix]};base64,{encoded}"
