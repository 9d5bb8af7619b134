"""Where the files for editing go."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.editing.editable_text import EditableText, group_by_recording
from components.editing.edited_subtitles import read_edited_subtitles
from components.errors import ConfigError
from components.export.for_edit import write_for_edit
from components.records import Hypothesis, Segment, Utterance
from components.text.text_encoding import DecodedText
from tests.components.editing.texts import by_id, segment, spoken, written

TEXTS = by_id(spoken("u1", segment(0.0, 2.0, "hello there")))


def test_a_name_with_a_dot_is_a_file_by_its_ending_alone(tmp_path: Path) -> None:
    folder = tmp_path / "v1.2-asr"  # as a run may be called
    assert write_for_edit(TEXTS, "srt", folder, "asr") == [folder / "talk.srt"]
    assert write_for_edit(TEXTS, "tsv", folder, "asr") == [folder / "asr.tsv"]
    file = tmp_path / "v1.2.srt"
    assert write_for_edit(TEXTS, "srt", file, "asr") == [file]
    assert "hello there" in file.read_text()


def test_work_of_somebody_is_not_written_over(tmp_path: Path) -> None:
    (path,) = write_for_edit(TEXTS, "tsv", tmp_path, "asr")
    before = path.read_bytes()
    write_for_edit(TEXTS, "tsv", tmp_path, "asr")  # the same texts
    path.write_bytes(edited := before.replace(b"hello", b"hallo"))
    with pytest.raises(ConfigError, match=r"asr\.tsv: expected no such file, .* or --overwrite it"):
        write_for_edit(TEXTS, "tsv", tmp_path, "asr")
    assert path.read_bytes() == edited
    write_for_edit(TEXTS, "tsv", tmp_path, "asr", overwrite=True)
    assert path.read_bytes() == before


def test_subtitles_that_were_read_are_edited_as_subtitles(tmp_path: Path) -> None:
    """And read back: a corrected cue keeps the times of all."""
    times = [Segment(start=at, end=at + 1, text=text) for at, text in ((61.0, "ein Hund"), (62.0, "rennt"))]
    utterance = Utterance(id="f:1", text="a dog runs", source_language="en", segments=tuple(times))
    best = Hypothesis(text="ein Hund rennt", score=0.0, n_tokens=1, system="mt", segments=tuple(times))
    texts = {"f:1": EditableText(utterance, best, "a dog runs")}
    (path,) = write_for_edit(texts, "srt", tmp_path, "mt")
    assert path.name == "subtitles.srt"
    content = path.read_text("utf-8")
    assert "00:01:01,000 --> 00:01:02,000\nein Hund\n" in content
    corrected = DecodedText(content.replace("rennt", "läuft"), None)
    recording = group_by_recording(texts)["subtitles"]
    (proposal,) = read_edited_subtitles(path, corrected, recording).proposals
    assert proposal.text == "ein Hund läuft"
    assert [(s.start, s.end) for s in proposal.segments or ()] == [(61.0, 62.0), (62.0, 63.0)]


def test_subtitles_are_of_speech_and_a_file_of_one_recording(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected tsv, since the texts of mt have no times, found srt"):
        write_for_edit(by_id(written("u1", "x")), "srt", tmp_path, "mt")
    two = by_id(*TEXTS.values(), spoken("u2", segment(0.0, 2.0, "bye"), path="other.wav"))
    with pytest.raises(ConfigError, match=r"a folder for subtitles of 2 recordings, found the file .*a\.srt"):
        write_for_edit(two, "srt", tmp_path / "a.srt", "asr")
    assert list(tmp_path.iterdir()) == []
