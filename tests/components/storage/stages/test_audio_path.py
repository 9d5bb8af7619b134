"""Where the audio of a stage's utterance lies, seen from this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.records import Audio, Utterance
from components.storage.stages.reader import find_audio, resolve_audio_path

SHA256 = "0" * 64


def resolve(path: str, store: Path) -> str:
    sound = Audio(path=path, sha256=SHA256, seconds=1, sample_rate=8000)
    utterance = Utterance(id="a", source_language="en", audio=sound)
    resolved = resolve_audio_path(utterance, store / "stages" / "k", store).audio
    return resolved.path


def test_locations_are_not_taken_for_paths(tmp_path: Path) -> None:
    (tmp_path / "t.tar").touch()
    for path in ("https://host/a.wav", f"{tmp_path}/t.tar#a.wav", "/none/t.tar#a.wav", "/none/a.wav"):
        assert resolve(path, tmp_path) == path
    assert resolve("audio/a.wav", tmp_path) == f"{tmp_path}/stages/k/audio/a.wav"


@pytest.mark.parametrize("path", ["https://host/a.wav?x=1", "/none/t.tar#a.wav", "/none/a.wav"])
def test_an_imported_copy_stands_for_what_is_elsewhere(path: str, tmp_path: Path) -> None:
    imported = find_audio(tmp_path, SHA256, ".wav")
    imported.parent.mkdir(parents=True)
    imported.touch()
    assert resolve(path, tmp_path) == str(imported)
