"""Edited files as they lie on a disk: which are read, how, and whose texts they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.editing import edited_files
from components.editing.editable_text import EditableText
from components.editing.edited_files import Edits, Origin, read_edits
from components.errors import ConfigError
from tests.components.editing.texts import by_id, segment, spoken, written

ORIGIN = Origin(node="asr", stage="0" * 64, by="ann", at="2026-01-01T00:00:00+00:00")
TALK = spoken("u1", segment(0.0, 2.0, "hello there"))
OTHER = spoken("u2", segment(0.0, 2.0, "good night"), path="other.wav")
CUE = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"


def read(path: Path, *texts: EditableText) -> Edits:
    return read_edits(path, by_id(*texts), ORIGIN, "de")


def test_a_folder_of_subtitles_is_read_by_the_names_of_recordings(tmp_path: Path) -> None:
    (tmp_path / "talk.asr.SRT").write_text(CUE.format("hello where"))
    (tmp_path / "other.srt").write_bytes(CUE.format("gute Nächte").encode("cp1252"))
    (tmp_path / "notes.md").write_text("not read")
    edits = read(tmp_path, TALK, OTHER)
    assert {each.id: (each.text, each.file) for each in edits.corrections} == {
        "u1": ("hello where", "talk.asr.SRT"),
        "u2": ("gute Nächte", "other.srt"),
    }
    assert edits.notes == ["other.srt: read as CP1252, since it is not UTF-8"]


def test_unchanged_rows_are_approved_where_that_is_said(tmp_path: Path) -> None:
    table = tmp_path / "asr.tsv"
    table.write_text("id\ttext\nu1\thello there\nu2\tgood nights\n")
    edits = read_edits(table, by_id(TALK, OTHER), ORIGIN, "en", unchanged_right=True)
    assert {each.id: (each.before, each.text) for each in edits.corrections} == {
        "u1": ("hello there", "hello there"),
        "u2": ("good night", "good nights"),
    }
    with pytest.raises(ConfigError, match=r"--unchanged-right: expected a .tsv, .jsonl or .docx file"):
        read_edits(tmp_path / "a.srt", by_id(TALK), ORIGIN, "en", unchanged_right=True)


def test_a_single_file_may_have_any_name_where_there_is_one_recording(tmp_path: Path) -> None:
    (tmp_path / "mine.srt").write_text(CUE.format("hello where"))
    (correction,) = read(tmp_path / "mine.srt", TALK).corrections
    assert (correction.id, correction.before, correction.by) == ("u1", "hello there", "ann")


@pytest.mark.parametrize(
    ("name", "content", "texts", "message"),
    [
        ("", "", [TALK], "expected a folder of .srt files, found none in it"),
        (
            "a.odt",
            "x",
            [TALK],
            "a.odt: expected a .tsv, .jsonl, .docx or .srt file, or a folder of .srt files",
        ),
        (
            "subs",
            None,
            [TALK],
            "subs: expected .* or a folder of .srt files, found no such file; check the path",
        ),
        ("none.srt", None, [TALK], "expected a readable file of edited texts, found .*none.srt"),
        ("a.srt", CUE, [written("u1", "x")], "a.srt: expected a .tsv file, since the texts of asr are not"),
        (
            "tolk.srt",
            CUE,
            [TALK, OTHER],
            r"tolk.srt: expected the name of a recording, such as \w+.srt; did you mean talk\?",
        ),
        (
            "a.tsv",
            "id\ttext\n" + "x" * 200,
            [TALK],
            "a.tsv: expected at most 100 bytes, found more; split it",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str | None,
    texts: list[EditableText],
    message: str,
) -> None:
    monkeypatch.setattr(edited_files, "MAX_BYTES", 100)
    if name and content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message) as fault:
        read(tmp_path / name, *texts)
    assert "\n" not in str(fault.value)
