"""Edited Word documents (.docx): the rows of their table, with tracked changes as if all were accepted."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.editing.edited_table import ID, TEXT, Row
from components.errors import ConfigError, to_one_line

if TYPE_CHECKING:
    from docx.oxml.table import CT_Tc

MAX_UNPACKED = 2**24
"""Bytes that a document unpacks to; as a tree it takes up to forty times as many."""


def read_document_rows(path: Path, content: bytes) -> Iterator[Row]:
    """Return the rows of the first table with the columns ``id`` and ``text``.

    Args:
        path: of the file, for messages.
        content: of the file.

    Raises:
        ConfigError: python-docx is not installed, or it is no document with such a table.
    """
    for heading, *rows in _read_tables(path, content):
        names = [name.strip().lower() for name in heading]
        if {ID, TEXT} <= set(names):
            for number, cells in enumerate(rows, 2):
                if len(cells) != len(names):
                    raise ConfigError(
                        f"{path.name}:{number}: expected {len(names)} cells as in the heading, found "
                        f"{len(cells)}; split cells that were merged"
                    )
                values = dict(zip(names, cells, strict=True))
                yield Row(number, {**values, ID: values[ID].strip()})
            return
    raise ConfigError(
        f"{path.name}: expected a table with the columns id and text, as antiphon export --for-edit --format "
        "docx writes it, found none"
    )


def _read_tables(path: Path, content: bytes) -> list[list[list[str]]]:
    """Return the texts of the cells of every row of every table that has rows."""
    try:
        import docx  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigError(
            f"{path.name}: expected python-docx, found none; pip install 'antiphon[word]', or save a .tsv"
        ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MAX_UNPACKED:  # of no entry more is unpacked than it states
            raise ConfigError(f"{path}: expected at most {MAX_UNPACKED} bytes unpacked, found more; split it")
        tables = docx.Document(io.BytesIO(content)).tables
        texts = [[[_text_of(cell) for cell in row._tr.tc_lst] for row in table.rows] for table in tables]
    except ConfigError:
        raise
    except Exception as error:  # of zipfile, zlib, lxml and python-docx: encrypted, damaged, no document
        raise ConfigError(
            f"{path.name}: expected a Word document (.docx), found another file ({to_one_line(error)})"
        ) from error
    return [rows for rows in texts if rows]


def _text_of(cell: CT_Tc) -> str:
    """Return the text of a cell: what was inserted counts, what was deleted or moved away does not."""
    from docx.oxml.ns import qn  # noqa: PLC0415

    gaps = {qn("w:p"), qn("w:tab"), qn("w:br"), qn("w:cr")}
    pieces = []
    for element in cell.iter():
        if element.tag in gaps:
            pieces.append(" ")
        elif element.tag == qn("w:t") and next(element.iterancestors(qn("w:moveFrom")), None) is None:
            pieces.append(element.text or "")
    return "".join(pieces).strip()
