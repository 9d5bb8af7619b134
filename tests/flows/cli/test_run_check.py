"""`antiphon run --check` refuses as the run would, fetches and starts nothing, says what would be fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.storage.store import Store
from tests.command import exit_code_of

GRAPH = """
data: sample
nodes:
  asr: {kind: recognize, model: "packaged:whisper-base"}
  mt: {kind: translate, of: asr, model: "packaged:multi30k-en-de"}
"""


def checked(folder: Path, *more: str, text: str = GRAPH) -> object:
    """Exit code of the check of a graph whose models are not on this machine."""
    (folder / "graph.yaml").write_text(text, encoding="utf-8")
    return exit_code_of("run", str(folder / "graph.yaml"), "--check", "--store", str(folder / "store"), *more)


@pytest.fixture(autouse=True)
def _no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))


def test_it_says_what_would_be_fetched_and_fetches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not checked(tmp_path)
    out = " ".join(capsys.readouterr().out.split())
    assert "asr recognize packaged:whisper-base 0.44 GB" in out
    assert "mt translate packaged:multi30k-en-de nothing settings, languages, files" in out
    assert "fetch 1 model first: 0.44 GB. Nothing was fetched or started." in out
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert not (tmp_path / "store" / "runs").exists()


def test_its_json_has_the_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not checked(tmp_path, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["to_be_fetched"]["packaged:whisper-base"] > 400e6
    assert {"asr", "mt", "data"} <= set(said["passes"])


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (("--set", "nodes.asr.model=packaged:whisper-bas"), "did you mean packaged:whisper-base?"),
        (("--data", "absent.jsonl"), "absent.jsonl"),
        (("--data", "talk\u202evaw.exe"), "talk⟨U+202E⟩vaw.exe"),
        (("--engine", "rey"), "rey"),
    ],
)
def test_it_refuses_as_the_run_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], fault: str
) -> None:
    assert checked(tmp_path, *more) == 2
    assert fault in capsys.readouterr().err


def test_a_person_is_asked_for_where_nobody_could_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    review = GRAPH + "  checked: {kind: edit_by_reviewer, of: mt, worst: 2}\n"
    assert checked(tmp_path, text=review) == 2
    assert "Prefect" in capsys.readouterr().err


def test_the_name_of_a_finished_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(str(tmp_path / "store")).mark_layout()
    run = tmp_path / "store" / "runs" / "first"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{", encoding="utf-8")  # damaged, so not to be replaced
    (run / "metrics.json").write_text("{}", encoding="utf-8")
    assert checked(tmp_path, "--name", "first") == 2
    assert "expected one that no finished run has, found 'first'" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_to_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root, to whom everything is permitted, the system is asked to refuse one folder of the store."""
    assert not checked(tmp_path)
    (tmp_path / "store" / "shards").mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "shards")
    assert checked(tmp_path) == 1
    expected = f"expected a folder that you may write to, found {tmp_path / 'store' / 'shards'}"
    assert expected in " ".join(capsys.readouterr().err.split())
