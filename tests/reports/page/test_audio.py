from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.records import Audio
from reports.page.audio import data_uri, relative_url, select_embeddable
from tests.components.files.locations.test_tar_members import pack
from tests.reports.example_runs import tone


def test_embedded_only_while_all_of_it_is_small(tmp_path: Path) -> None:
    clip = tone(tmp_path / "a.wav")
    other = clip.model_copy(update={"sha256": "b" * 64})
    size = Path(clip.path).stat().st_size
    assert list(select_embeddable([clip, clip, other], 2 * size)) == ["a" * 64, "b" * 64]
    assert select_embeddable([clip, other], 2 * size - 1) == {}


def test_what_is_no_audio_file_is_not_embedded(tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text("<script>")
    for name in ("x.html", "absent.wav", "."):
        audio = Audio(path=str(tmp_path / name), sha256="a" * 64, seconds=1, sample_rate=8000)
        assert select_embeddable([audio]) == {}


def test_data_uri(tmp_path: Path) -> None:
    assert data_uri(Path(tone(tmp_path / "a.wav").path)).startswith("data:audio/wav;base64,UklGR")


def test_links_are_relative_quoted_and_never_another_scheme(tmp_path: Path) -> None:
    def to(name: str) -> str:
        audio = Audio(path=str(tmp_path / name), sha256="a" * 64, seconds=1, sample_rate=8000)
        return relative_url(audio, tmp_path / "runs")

    assert to("a b.wav") == "./../a%20b.wav"
    assert to('runs/"#?.wav') == "./%22%23%3F.wav"
    assert to("runs/javascript:alert(1)") == "./javascript%3Aalert%281%29"


def test_a_file_on_another_drive_has_its_whole_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def relpath(path: Path, start: Path) -> str:
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(os.path, "relpath", relpath)
    audio = Audio(path=str(tmp_path / "a b.wav"), sha256="a" * 64, seconds=1, sample_rate=8000)
    assert relative_url(audio, tmp_path) == f"file://{tmp_path}/a%20b.wav"


def test_a_recording_in_a_tar_is_played_from_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    clip = tone(tmp_path / "a.wav")
    (tmp_path / "t.tar").write_bytes(pack([("a.wav", Path(clip.path).read_bytes())]))
    packed = clip.model_copy(update={"path": f"{tmp_path}/t.tar#a.wav"})
    [(_, copy)] = select_embeddable([packed]).items()
    assert data_uri(copy) == data_uri(Path(clip.path))
    assert relative_url(packed, tmp_path) == f"./{copy.relative_to(tmp_path)}"
    away = clip.model_copy(update={"path": "https://host.example.org/a.wav"})
    assert select_embeddable([away]) == {}
    assert "//" not in relative_url(away, tmp_path)
