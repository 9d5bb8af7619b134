"""A table as a Word document (.docx), the same bytes for the same content."""

from __future__ import annotations

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from components.export.format_names import require_library

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table, _Cell, _Row

Runs = Sequence[tuple[str, bool]]
"""A text in pieces, and whether each is doubtful."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_A4 = (210, 297)
_MARGIN = 20
"""Millimeters."""


class Column(NamedTuple):
    """A column of texts: its heading, its relative width, and the language in which Word checks spelling."""

    heading: str
    width: float
    language: str | None = None


def build_table(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[Runs]], *, wide: bool = False
) -> bytes:
    """Return a document of one table, whose heading every page repeats.

    Args:
        title: above the table, and in the document's properties.
        columns: of the table.
        rows: a text for each column; what is doubtful is highlighted.
        wide: whether the page lies on its side.

    Raises:
        ConfigError: python-docx is not installed.
    """
    require_library("docx")
    from docx import Document  # noqa: PLC0415 - an extra
    from docx.shared import Mm  # noqa: PLC0415

    document = Document()
    short, long = _A4
    section = document.sections[0]
    section.page_width, section.page_height = (Mm(long), Mm(short)) if wide else (Mm(short), Mm(long))
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Mm(_MARGIN)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = _as_xml(title)[:255], "", ""  # Word's limit
    document.add_heading(_as_xml(title), level=1)
    table = _add_table(document, columns, (long if wide else short) - 2 * _MARGIN)
    for row in rows:
        cells = table.add_row().cells  # type: ignore[no-untyped-call]
        for cell, column, runs in zip(cells, columns, row, strict=True):
            _fill(cell, runs, column.language)
    return _pack(document)


def _add_table(document: Document, columns: Sequence[Column], width: int) -> Table:
    from docx.shared import Mm  # noqa: PLC0415

    table: Table = document.add_table(rows=1, cols=len(columns), style="Table Grid")
    table.autofit = False
    total = sum(column.width for column in columns)
    for place, column in zip(table.columns, columns, strict=True):
        place.width = Mm(width * column.width / total)
        place.cells[0].width = place.width  # rows that are added later take the width of their column
    for cell, column in zip(table.rows[0].cells, columns, strict=True):
        cell.paragraphs[0].add_run(_as_xml(column.heading)).bold = True
    _repeat_on_every_page(table.rows[0])
    return table


def _repeat_on_every_page(row: _Row) -> None:
    from docx.oxml import OxmlElement  # noqa: PLC0415

    row._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))


def _fill(cell: _Cell, runs: Runs, language: str | None) -> None:
    from docx.enum.text import WD_COLOR_INDEX  # noqa: PLC0415
    from docx.oxml import OxmlElement  # noqa: PLC0415
    from docx.oxml.ns import qn  # noqa: PLC0415

    paragraph = cell.paragraphs[0]
    right_to_left = _is_right_to_left("".join(text for text, _ in runs))
    if right_to_left:
        paragraph._p.get_or_add_pPr().append(OxmlElement("w:bidi"))
    for text, doubtful in runs:
        run = paragraph.add_run(_as_xml(text))
        if doubtful:
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW
        if right_to_left:
            run.font.rtl = True
        if language is not None:
            mark = OxmlElement("w:lang")
            for script in ("val", "eastAsia", "bidi"):
                mark.set(qn(f"w:{script}"), language)
            run._r.get_or_add_rPr().append(mark)


def _is_right_to_left(text: str) -> bool:
    """Return whether the first letter that has a direction is of Arabic, Hebrew or another such script."""
    directions = map(unicodedata.bidirectional, text)
    return next((direction != "L" for direction in directions if direction in ("L", "R", "AL")), False)


def _as_xml(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _pack(document: Document) -> bytes:
    """Return the file without the time at which it was written, so that the same texts are the same file."""
    written, packed = io.BytesIO(), io.BytesIO()
    document.save(written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    return packed.getvalue()
