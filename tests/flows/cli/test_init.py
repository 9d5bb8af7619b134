"""`antiphon init` writes a file that plan accepts, says what it saw, and touches nothing that exists."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.data.files.named_sets import SAMPLES
from components.files.yaml_text import parse_yaml
from components.pipeline.reading.reader import read_pipeline
from tests.command import exit_code_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_STORE", str(tmp_path / "store"))
    return tmp_path


def nodes_of(file: Path) -> dict[str, str]:
    values, _ = parse_yaml(file.read_text(encoding="utf-8"), str(file))
    graph = {key: values[key] for key in ("nodes", "source_language", "target_language") if key in values}
    return {node.name: str(node.models.get("model")) for node in read_pipeline(graph)}


def test_recordings_of_this_folder_are_transcribed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        shutil.copy(SAMPLES.parent / f"caption-0{number}.flac", folder)
    assert exit_code_of("init") == 0
    assert "2 recordings, " in capsys.readouterr().out
    assert nodes_of(folder / "antiphon.yaml") == {"asr": "packaged:whisper-base"}
    assert exit_code_of("plan", "antiphon.yaml") == 0
    assert "recognize" in capsys.readouterr().out


def test_a_file_in_another_folder_works_from_everywhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "talks").mkdir()
    (folder / "plans").mkdir()
    shutil.copy(SAMPLES.parent / "caption-01.flac", folder / "talks")
    monkeypatch.chdir(folder / "plans")
    assert exit_code_of("init", "../plans/../mine/talks.yaml", "--audio", "../talks") == 0
    assert "audio: ../talks\n" in (folder / "mine" / "talks.yaml").read_text()
    for place in (folder, folder / "mine", Path("/")):
        monkeypatch.chdir(place)
        assert exit_code_of("plan", str(folder / "mine" / "talks.yaml")) == 0


def test_languages_and_references_of_a_manifest_are_seen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of("init", "mine.yaml", "--data", "sample") == 0
    assert (
        "in English, with transcripts to score against, with reference translations"
        in capsys.readouterr().out
    )
    assert nodes_of(folder / "mine.yaml") == {"asr": "packaged:whisper-base", "mt": "packaged:multi30k-en-de"}
    assert exit_code_of("plan", "mine.yaml", "--limit", "2") == 0


def test_texts_are_translated_by_a_model_of_their_languages(folder: Path) -> None:
    (folder / "letters.it").write_text("Buongiorno.\nA domani.\n", encoding="utf-8")
    assert exit_code_of("init", "--data", "letters.it", "--to", "en") == 0
    assert nodes_of(folder / "antiphon.yaml") == {"mt": "packaged:qwen2.5-coder-1.5b"}
    arguments = ("--data", "letters.it", "--to", "sw", "--model", "hub:some/model")
    assert exit_code_of("init", "new/other.yaml", *arguments) == 0
    assert nodes_of(folder / "new" / "other.yaml") == {"mt": "hub:some/model"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["old.yaml", "--data", "sample"], "old.yaml: expected a new file, found one that exists"),
        (["mine.txt", "--data", "sample"], "mine.txt: expected a name that ends in .yaml"),
        (
            ["--data", "letters.it"],
            "expected a language to translate the texts into, found none; add --to CODE",
        ),
        (["--data", "letters.it", "--to", "klingon"], "expected a language code such as en"),
        (["--data", "letters.it", "--to", "sw"], "that translates from Italian into Swahili"),
        (
            ["--data", "letters.txt", "--from", "sw", "--to", "en"],
            "that translates from Swahili into English",
        ),
        (["--data", "sample", "--audio", "a.wav"], "expected --data or --audio, found both"),
        ([], "expected --data or --audio: found neither manifest nor recordings here"),
        (["--data", "nosuch.jsonl"], "nosuch.jsonl: expected a manifest"),
        (["--audio", "fake.wav"], "fake.wav: expected records that can be used, found none"),
    ],
)
def test_what_it_cannot_do_is_one_line_and_leaves_nothing(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "old.yaml").write_text("data: mine\n", encoding="utf-8")
    (folder / "letters.it").write_text("Buongiorno.\n", encoding="utf-8")
    (folder / "letters.txt").write_text("Habari.\n", encoding="utf-8")
    (folder / "fake.wav").write_text("no sound", encoding="utf-8") if "fake.wav" in arguments else None
    before = sorted(folder.iterdir())
    assert exit_code_of("init", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(folder.iterdir()) == before
    assert (folder / "old.yaml").read_text(encoding="utf-8") == "data: mine\n"


def test_records_that_cannot_be_used_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ['{"id": "a", "text": "Ciao.", "source_language": "it"}', *['{"source_language": "it"}'] * 5]
    (folder / "my set.jsonl").write_text("\n".join(rows), encoding="utf-8")
    assert exit_code_of("init", "--data", "my set.jsonl", "--to", "en") == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("quarantined: ")]
    assert "my set.jsonl:2: expected audio or text, found neither" in lines[0]
    assert lines[3:] == ["quarantined: 2 more: antiphon data check 'my set.jsonl'"]
