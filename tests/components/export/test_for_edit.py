"""Where the files for editing go."""

from __future__ import annotations

from pathlib import Path

from components.export.for_edit import write_for_edit
from tests.components.editing.texts import by_id, segment, spoken

TEXTS = by_id(spoken("u1", segment(0.0, 2.0, "hello there")))


def test_a_name_with_a_dot_is_a_file_by_its_ending_alone(tmp_path: Path) -> None:
    folder = tmp_path / "v1.2-asr"  # as a run may be called
    assert write_for_edit(TEXTS, "srt", folder, "asr") == [folder / "talk.srt"]
    assert write_for_edit(TEXTS, "tsv", folder, "asr") == [folder / "asr.tsv"]
    file = tmp_path / "v1.2.srt"
    assert write_for_edit(TEXTS, "srt", file, "asr") == [file]
    assert "hello there" in file.read_text()
