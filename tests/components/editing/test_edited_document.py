"""Word documents as they come back: python-docx plays the person who edits them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from components.editing import edited_document
from components.editing.edited_files import Origin, read_edits
from components.errors import ConfigError
from components.export.for_edit import write_for_edit
from tests.components.editing.texts import by_id, written

ORIGIN = Origin(node="mt", stage="0" * 64, by="ann", at="2026-01-01T00:00:00+00:00")
TEXTS = by_id(
    written("a 1", "Guten  Tag.", "Good day."),
    written("b", "=1+1", "1+1"),
    written("c", "Das Ende.", "The end."),
    written("d", "'-x", "x"),
)


def edited(tmp_path: Path, edit: Callable[[Any], object]) -> dict[str, str]:
    (file,) = write_for_edit(TEXTS, "docx", tmp_path / "mt.docx", "mt", overwrite=True)
    document = Document(str(file))
    edit(document.tables[0])
    document.save(str(file))
    return {each.id: each.text for each in read_edits(file, TEXTS, ORIGIN, "de").corrections}


def text_cell(table: Any, row: int) -> Any:
    return table.rows[row].cells[2]


def track(table: Any) -> None:
    """As Word keeps track of changes: a word deleted, one inserted, one moved to the end."""
    paragraph = text_cell(table, 1).paragraphs[0]._p
    paragraph.remove(paragraph.r_lst[0])
    runs = (
        "<w:del><w:r><w:delText>Guten</w:delText></w:r></w:del><w:ins><w:r><w:t>Schönen</w:t></w:r></w:ins>",
        "<w:moveFrom><w:r><w:t> Tag</w:t></w:r></w:moveFrom><w:r><w:tab/><w:t>guten</w:t></w:r>",
        '<w:moveTo><w:r><w:t xml:space="preserve"> Tag</w:t></w:r></w:moveTo>',
    )
    for element in parse_xml(f"<w:p {nsdecls('w')}>{''.join(runs)}</w:p>"):
        paragraph.append(element)


def test_a_table_is_read_back_with_its_changes(tmp_path: Path) -> None:
    def correct(table: Any) -> None:
        track(table)
        text_cell(table, 3).add_paragraph("Wirklich.")  # the person pressed Enter
        rows = table.rows
        rows[2]._tr.addprevious(rows[4]._tr)  # and sorted

    assert edited(tmp_path, correct) == {"a 1": "Schönen guten Tag", "c": "Das Ende. Wirklich."}


def test_rows_may_be_removed(tmp_path: Path) -> None:
    def remove(table: Any) -> None:
        text_cell(table, 4).paragraphs[0].runs[0].text = '"y"'  # quotes are no marks of a spreadsheet here
        table._tbl.remove(table.rows[1]._tr)

    assert edited(tmp_path, remove) == {"d": '"y"'}


def replace_part(document: bytes, name: str, content: str) -> bytes:
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as source, zipfile.ZipFile(changed, "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, content if entry.filename == name else source.read(entry))
    return changed.getvalue()


def test_what_is_no_such_document_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(content: bytes, message: str) -> None:
        (tmp_path / "x.docx").write_bytes(content)
        with pytest.raises(ConfigError, match=message) as error:
            read_edits(tmp_path / "x.docx", TEXTS, ORIGIN, "de")
        assert len(str(error.value).splitlines()) == 1

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("[Content_Types].xml", "<broken")
    refuse(b"\xd0\xcf\x11\xe0", r"x\.docx: expected a Word document \(\.docx\), found another file")
    refuse(archive.getvalue(), r"x\.docx: expected a Word document")
    empty = io.BytesIO()
    Document().save(empty)
    whole = empty.getvalue()
    header = whole.index(b"PK\x01\x02")  # the first entry's, in the list at the end; its own is at 0
    for at, bits, fault in ((6, 1, "encrypted"), (8, 9, "not supported")):
        changed = bytearray(whole)
        for position in (header + at + 2, at):
            changed[position] |= bits
        refuse(bytes(changed), rf"x\.docx: expected a Word document .*{fault}")
    for name, content in (("_rels/.rels", "<Relationships/>"), ("word/document.xml", "<a/>")):
        refuse(replace_part(whole, name, content), r"x\.docx: expected a Word document")
    damaged = bytearray(whole)
    damaged[100:120] = bytes(20)
    refuse(bytes(damaged), r"x\.docx: expected a Word document .*(Error|decompress|CRC)")
    refuse(empty.getvalue(), r"x\.docx: expected a table with the columns id and text, as antiphon export")
    monkeypatch.setattr(edited_document, "MAX_UNPACKED", 100)
    refuse(empty.getvalue(), "expected at most 100 bytes unpacked")
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"mt\.docx:2: expected 3 cells as in the heading, found 2"):
        edited(tmp_path, lambda table: table.rows[1]._tr.remove(table.rows[1]._tr.tc_lst[1]))
    with pytest.raises(ConfigError, match="expected a text that was changed, found all as mt gave them"):
        edited(tmp_path, lambda table: None)
