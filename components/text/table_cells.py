"""Texts as cells of tables that spreadsheets read, and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_GUARDED = re.compile(r"'*[=+\-@]")  # a text's own apostrophes count, so that the mark is told from them


def normalize_spaces(text: str) -> str:
    """Return a text on one line: what counts when texts are compared."""
    return " ".join(text.split())


def nfc(text: str) -> str:
    """Return the unicode normal form C, in which composed and decomposed letters compare equal, as ids do."""
    return unicodedata.normalize("NFC", text)


def guard_cell(text: str) -> str:
    """Return a text as a cell of one line that no spreadsheet takes for a formula."""
    return guard_id(normalize_spaces(text))


def guard_id(utterance_id: str) -> str:
    """Return an id as such a cell: its spaces count."""
    return f"'{utterance_id}" if _GUARDED.match(utterance_id) else utterance_id


def strip_guard(cell: str) -> str:
    """Return a cell without the mark before what looks like a formula."""
    return cell[1:] if cell.startswith("'") and _GUARDED.match(cell) else cell


def join_cells(cells: Iterable[str]) -> str:
    """Return a row of a table; a cell that begins with a quote is quoted, as in CSV.

    Else a spreadsheet takes all that follows for that cell, up to the next quote.
    """
    doubled = (cell.replace('"', '""') if cell.startswith('"') else cell for cell in cells)
    return "\t".join([f'"{cell}"' if cell.startswith('"') else cell for cell in doubled])
