"""Edited tables: a TSV (or JSONL) file of ids and texts, as a person or a spreadsheet saved it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.audio.container import read_regular_file
from components.editing.editable_text import EditableText
from components.editing.proposal import Proposal, refuse_unknown_id
from components.errors import ConfigError
from components.files.json_text import parse_json
from components.text.table_cells import guard_cell, nfc, normalize_spaces, strip_guard
from components.text.text_encoding import MAX_BYTES, DecodedText, decode_text

ID, TEXT = "id", "text"
COLUMNS = (ID, TEXT, "source", "confidence")
"""Columns of the file for editing; only the first two are read back."""


class Row(NamedTuple):
    """One row of an edited file: its line, counted from 1, and its cells by column."""

    line: int
    cells: Mapping[str, Any]


def read_edited_table(
    path: Path, decoded: DecodedText, texts: Mapping[str, EditableText], node: str, *, approve: bool = False
) -> list[Proposal]:
    """Return the texts of an edited table that differ from those of the node.

    Args:
        path: of the file, for messages; ``.jsonl`` is read as JSON lines.
        decoded: its content.
        texts: what the node gave, by utterance id.
        node: its name, for messages.
        approve: return the others, too: they were read and are right.

    Raises:
        ConfigError: a row is no correction; the message names its line.
    """
    if path.suffix.lower() == ".jsonl":
        return propose_texts(path, _read_json(path, decoded.text), texts, node, approve=approve)
    rows = _read_tsv(path, decoded.text)
    return propose_texts(path, rows, texts, node, unguard=_unguard, approve=approve)


def propose_texts(
    path: Path,
    rows: Iterable[Row],
    texts: Mapping[str, EditableText],
    node: str,
    *,
    unguard: Callable[[str], str] = str,
    approve: bool = False,
) -> list[Proposal]:
    """Return the texts of rows that differ from those of the node; see :func:`read_edited_table`.

    ``unguard`` takes the marks of a spreadsheet off a cell that was changed.
    """
    proposals: list[Proposal] = []
    lines: dict[str, int] = {}
    for row in rows:
        where = f"{path.name}:{row.line}"
        utterance_id, cell = (row.cells.get(name) for name in (ID, TEXT))
        if not isinstance(utterance_id, str) or not isinstance(cell, str):
            found = ", ".join(map(str, row.cells)) or "nothing"
            raise ConfigError(f"{where}: expected id and text, found {found}")
        utterance_id = nfc(utterance_id)
        utterance_id = utterance_id if utterance_id in texts else unguard(utterance_id)
        refuse_unknown_id(utterance_id, texts, node, where)
        if utterance_id in lines:
            raise ConfigError(
                f"{where}: expected one row for each id, found a second of {utterance_id!r} "
                f"(line {lines[utterance_id]}); remove one"
            )
        lines[utterance_id] = row.line
        present = texts[utterance_id].text
        text = present if cell in (present, guard_cell(present)) else normalize_spaces(unguard(cell))
        if normalize_spaces(text) != normalize_spaces(present):
            proposals.append(Proposal(utterance_id, text, None))
        elif approve:
            proposals.append(Proposal(utterance_id, present, None))
    return proposals


def read_ids(path: Path) -> set[str]:
    """Return the ids in a table as :func:`read_edited_table` reads it, or in its JSON lines.

    Raises:
        ConfigError: it cannot be read, or has no column id.
    """
    decoded = decode_text(read_regular_file(path, MAX_BYTES), path.name)
    is_json = path.suffix.lower() == ".jsonl"
    rows = _read_json(path, decoded.text) if is_json else _read_tsv(path, decoded.text)
    return {_unguard(nfc(str(row.cells.get(ID, "")))) for row in rows}


def _unguard(cell: str) -> str:
    """Return a cell's text without a spreadsheet's quotes or the mark before what looks like a formula."""
    if len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in cell[1:-1].replace('""', ""):
        cell = cell[1:-1].replace('""', '"')
    return strip_guard(cell)


def _read_tsv(path: Path, text: str) -> Iterator[Row]:
    lines = text.split("\n")
    names = [name.strip().strip('"').lower() for name in lines[0].split("\t")]
    if not {ID, TEXT} <= set(names) or len(set(names)) < len(names):
        found = ", ".join(names)[:100] or "nothing"
        raise ConfigError(
            f"{path.name}:1: expected a header line with the columns id and text, separated by tabs, "
            f"found {found}"
        )
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        cells = line.split("\t")
        cells += [""] * (len(names) - len(cells))  # editors strip empty cells from the end
        if len(cells) > len(names):
            raise ConfigError(
                f"{path.name}:{number}: expected {len(names)} cells as in the header, found {len(cells)}; "
                "look for a stray tab"
            )
        yield Row(number, dict(zip(names, cells, strict=True)))


def _read_json(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                fields = parse_json(line)
            except ValueError as error:
                raise ConfigError(f"{path.name}:{number}: expected one JSON object, found {error}") from error
            yield Row(number, fields if isinstance(fields, dict) else {})
