from __future__ import annotations

from pathlib import Path

import pytest

from components.data import load
from components.data.recordings import find_recordings
from components.errors import DataError


def test_files_folders_and_patterns_each_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".cache").mkdir()
    for name in ("b.wav", "a.mp3", "deep/c.MKV", "notes.txt", ".d.wav", ".cache/e.wav"):
        (tmp_path / name).touch()
    named = [Path(file).name for file in find_recordings(f"{tmp_path}/*.wav\n\n{tmp_path}\n")]
    assert named == ["b.wav", "a.mp3", "c.MKV"]
    assert find_recordings(str(tmp_path / "notes.txt")) == [str(tmp_path / "notes.txt")]  # whoever names it


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("none.wav", "expected a file, folder or pattern of files, found none"),
        ("*.wav", "expected a file, folder or pattern of files, found none"),
        ("-", "expected a file, folder or pattern of files, found standard input: write it to a file"),
        (".", "expected a folder with recordings"),
        ("\n", "expected at least one audio file, found none"),
    ],
)
def test_nothing_found_is_said(
    path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=expected):
        find_recordings(path)


def test_paragraphs_join_wrapped_lines(tmp_path: Path) -> None:
    path = tmp_path / "letter.fr"
    path.write_bytes("Cher ami,\n\nje suis\n bien arrivé.\r\n\n\n".encode() + b"\xff\n")
    data = load(f"paragraphs:{path}", target_language="en")
    assert [(item.id, item.text) for item in data.utterances] == [
        ("letter.fr:1", "Cher ami,"),
        ("letter.fr:3", "je suis bien arrivé."),
    ]
    assert data.utterances[0].source_language == "fr"
    assert [bad.utterance_id for bad in data.quarantined] == ["letter.fr:7"]
