"""Word documents, as python-docx and a zip archive read them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from docx import Document
from docx.enum.text import WD_COLOR_INDEX

from components.export.documents.word_document import encode_document
from components.export.export import write_run
from components.export.format import ExportSettings
from components.export.recording_text import RecordingText, make_part
from components.export.run_texts import RunTexts
from components.records import Quarantined, Utterance
from tests.components.export.example_run import nbest, new_store
from tests.components.export.example_run import write_run as store_run


def rows_of(content: bytes) -> list[list[str]]:
    (table,) = Document(io.BytesIO(content)).tables
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_stretches_of_speech_with_what_is_known_of_them(tmp_path: Path) -> None:
    texts = RunTexts(store_run(new_store(tmp_path)))
    settings = ExportSettings(bilingual=True, low=0.5)
    export = write_run(texts, texts.outputs, ["docx"], settings, tmp_path)
    assert (
        write_run(texts, texts.outputs, ["docx"], settings, tmp_path).files == export.files
    )  # the same bytes
    made = {path.name: path.read_bytes() for path in export.files}
    assert rows_of(made["talk.en-de.docx"]) == [
        ["time", "speaker", "English", "German"],
        ["0:00:00", "Bob", "Good morning. It is =1+1 today.", "Guten Morgen. Heute ist es =1+1."],
        ["0:00:10", "Ann", "The end.", "Das Ende."],
    ]
    assert rows_of(made["bad.en.docx"]) == [["time", "English"], ["0:00:00", ""]]
    (table,) = Document(io.BytesIO(made["talk.en.docx"])).tables
    runs = [run for cell in table.rows[1].cells for paragraph in cell.paragraphs for run in paragraph.runs]
    doubtful = [run.text for run in runs if run.font.highlight_color == WD_COLOR_INDEX.YELLOW]
    assert doubtful == [" morning."]
    with zipfile.ZipFile(io.BytesIO(made["talk.en.docx"])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        document = archive.read("word/document.xml").decode()
    assert 'w:lang w:val="en"' in document
    assert "<w:tblHeader/>" in document


def test_lines_of_a_text(tmp_path: Path) -> None:
    lines = [Utterance(id=str(n), text=f"Line {n}\x01", source_language="en") for n in range(3)]
    refused = Quarantined(utterance_id="1", stage="mt", reason="too long", detail="")
    outcomes = [nbest("0", "مرحبا (hello)"), refused, nbest("2", "\ufffe שלום")]
    parts = [
        make_part(line, outcome, "ar", translated=True) for line, outcome in zip(lines, outcomes, strict=True)
    ]
    content = encode_document(RecordingText("letter", "mt", timed=False, parts=parts), bilingual=True)
    assert rows_of(content) == [
        ["English", "Arabic"],
        ["Line 0", "مرحبا (hello)"],
        ["Line 1", ""],
        ["Line 2", "שלום"],
    ]
    (table,) = Document(io.BytesIO(content)).tables
    directions = [[run.font.rtl for run in cell.paragraphs[0].runs] for cell in table.rows[1].cells]
    assert directions == [[None], [True]]
