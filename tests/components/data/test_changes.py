"""A data set that has changed is noticed once, without being read."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.data.changes import refuse_changes
from components.data.memory.announced_changes import note_changes
from components.errors import DataError, TransientError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))


def look(source: str | None, audio: str | None) -> bool:
    return note_changes(source, audio, lambda: None)


def test_a_manifest_that_grew_is_noticed_once(tmp_path: Path) -> None:
    manifest = tmp_path / "new.jsonl"
    manifest.write_text("no JSON at all\n")
    assert [look(str(manifest), None) for _ in range(2)] == [True, False]
    with manifest.open("a") as file:
        file.write("more\n")
    assert [look(str(manifest), None) for _ in range(2)] == [True, False]


def test_a_change_that_nobody_was_told_is_found_again(tmp_path: Path) -> None:
    manifest = tmp_path / "new.jsonl"
    manifest.write_text("{}\n")

    def refuse() -> None:
        raise TransientError("no server")

    with pytest.raises(TransientError):
        note_changes(str(manifest), None, refuse)
    assert look(str(manifest), None)


def test_a_recording_that_came_into_a_folder_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "talks"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"a")
    assert [look(None, str(folder)) for _ in range(2)] == [True, False]
    (folder / "b.wav").write_bytes(b"b")
    assert look(None, str(folder))
    with pytest.raises(DataError, match="found none"):
        look(str(tmp_path / "gone.jsonl"), None)


def test_a_manifest_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "new.jsonl"
    manifest.write_text("one\n")
    with refuse_changes(str(manifest)):
        manifest.read_text()
    with pytest.raises(DataError, match="found that it changed; run it again"), refuse_changes(str(manifest)):
        manifest.write_text("one\ntwo\n")
