"""`antiphon runs import-outputs` makes a graph of one node; `antiphon score` needs no store."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import pytest

from flows.cli.compute import run as running
from tests.command import exit_code_of

SOURCES = ["one dog", "two dogs", "a cat"]
REFERENCES = ["ein Hund", "zwei Hunde", "eine Katze"]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Parallel text in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    Path("d.en").write_text("\n".join(SOURCES) + "\n")
    Path("d.de").write_text("\n".join(REFERENCES) + "\n")
    return "d.en,d.de"


def test_outputs_become_a_run_of_one_node(
    data: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, Any] = {}

    def run_flow(*arguments: Any, as_json: bool) -> int:
        values.update(arguments[3])
        return 0

    monkeypatch.setattr(running, "run_flow", run_flow)
    Path("deepl.txt").write_text("ein Hund\nzwei Hund\neine Katze\n")
    assert exit_code_of("runs", "import-outputs", "deepl.txt", "--data", data, "--name", "deepl") == 0
    node = values["graph"]["nodes"]["texts"]
    assert (values["name"], values["data"], node["kind"], node["to"]) == ("deepl", data, "texts", "de")
    rows = [json.loads(line) for line in Path(node["file"]).read_text().splitlines()]
    assert rows[1] == {"id": "d-000002", "text": "zwei Hund"}
    assert "3 of 3 utterances have a text in deepl.txt" in capsys.readouterr().err
    Path("few.txt").write_text("ein Hund\n")
    assert (
        exit_code_of("runs", "import-outputs", "few.txt", "--data", data, "--name", "few", "--limit", "1")
        == 0
    )
    assert values["limit"] == 1


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_the_times_of_a_file_are_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    with wave.open("talk.wav", "wb") as sound:
        sound.setparams((1, 2, 16000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 16000 * 12))
    texts = [(0.1, 8, "Good morning."), (8, 11, "Sit down, please, all of you, and be quiet.")]
    segments = [{"start": start, "end": end, "text": text} for start, end, text in texts]
    Path("talk.json").write_text(json.dumps({"segments": segments}))
    store = ("--store", "store")
    Path("talks.jsonl").write_text('{"audio": "talk.wav", "transcript": "good morning"}\n')
    given = ("--data", "talks.jsonl", "--from", "en", "--name", "wx")
    assert exit_code_of("runs", "import-outputs", "talk.json", *given, *store) == 0
    assert exit_code_of("export", "wx", "--format", "tsv", "--out", "wx.tsv", *store) == 0
    rows = [line.split("\t") for line in Path("wx.tsv").read_text().splitlines()]
    columns = [rows[0].index(name) for name in ("start", "end", "text")]
    cells = [tuple(row[n] for n in columns) for row in rows[1:]]
    assert [(float(start), float(end), text) for start, end, text in cells] == texts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("few.txt", "ein Hund\n", "expected 3 lines, one per utterance of the data, found 1 in few.txt"),
        ("x.jsonl", '{"id": "q", "text": "x"}\n', "such as 'd-000001', 'd-000002', 'd-000003', found 'q'"),
        ("none.txt", None, "none.txt"),
    ],
)
def test_outputs_of_other_data_are_one_line(
    name: str, content: str | None, message: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path(name).write_text(content)
    assert exit_code_of("runs", "import-outputs", name, "--data", data, "--name", "x") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("data")
def test_data_without_a_record_that_can_be_used_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("empty.jsonl").write_text('{"id": "a", "source_language": "en"}\n')
    Path("one.txt").write_text("ein Hund\n")
    for name, message in ("empty.jsonl", "records that can be used"), ("nosuch.jsonl", "a manifest"):
        assert exit_code_of("runs", "import-outputs", "one.txt", "--data", name, "--name", "x") == 2
        assert f"antiphon: {name}: expected {message}" in capsys.readouterr().err


def test_two_files_are_scored_without_a_store(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("hyp.txt").write_text("ein Hund\nzwei Hunde\neine Maus\n")
    assert exit_code_of("score", "hyp.txt", "d.de.txt") == 2
    Path("d.de").rename("ref.txt")
    capsys.readouterr()
    assert exit_code_of("score", "hyp.txt", "ref.txt", "--language", "de", "--metric", "wer", "--json") == 0
    line = capsys.readouterr().out.splitlines()[-1]
    score = json.loads(line)["metrics"]["wer"]
    assert (score["value"], score["n"]) == (pytest.approx(100 / 6), 3)
    Path("ref.txt").write_text("ein Hund\n")
    assert exit_code_of("score", "hyp.txt", "ref.txt") == 2
    assert "expected as many lines in both files, found 3 in hyp.txt and 1" in capsys.readouterr().err
    assert not Path("antiphon-store").exists()
