"""Completion in the shell: what is offered behind a beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.run_record import StageRef
from components.storage.store import Store
from tests.command import run_command
from tests.components.storage.test_store import record


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("antiphon run cas", {"cascade"}),
        ("antiphon run gra", {"graphs/"}),
        ("antiphon run graphs/", {"graphs/one.yaml", "graphs/two.yml"}),
        ("antiphon run ./graphs/o", {"./graphs/one.yaml"}),
        ("antiphon run cascade --set mt.beam", {"mt.beam_size="}),
        ("antiphon run cascade --set asr.dtype=f", {"asr.dtype=float32", "asr.dtype=float16"}),
        ("antiphon run cascade --set blame=", {"blame=true", "blame=false"}),
        ("antiphon run nosuch --set a", set()),
        ("antiphon models show packaged:whisper-t", {"packaged:whisper-tiny.en"}),
        ("antiphon inspect min", {"mine"}),
        ("antiphon compare mine --normalizer open", {"open-asr"}),
        ("antiphon compare mine --metric ch", {"chrf"}),
        ("antiphon run cascade --model-metrics xcomet_", {"xcomet_qe:"}),
        ("antiphon campaign other mi", {"mine"}),
        ("antiphon campaign create --select d", {"disagreement", "diversity"}),
        ("antiphon inspect mine --node m", {"mt"}),
        ("antiphon export mine --node m", {"mt"}),
        ("antiphon transcribe --model packaged:whisper-t", {"packaged:whisper-tiny.en"}),
        ("antiphon translate a --format ts", {"tsv"}),
    ],
)
def test_completion(
    words: str,
    expected: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = StageRef(
        stage="mt",
        kind="translate",
        key="0" * 64,
        path=str(tmp_path / "stages" / ("0" * 64)),
        items=1,
        quarantined=0,
        sha256="0" * 64,
        seconds=0.1,
        peak_memory_bytes=1,
        reused=False,
    )
    Store(str(tmp_path)).save_run(record("mine", stages=(stage,)))
    monkeypatch.setenv("ANTIPHON_STORE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graphs").mkdir()
    for file in ("one.yaml", "two.yml", "notes.txt"):
        (tmp_path / "graphs" / file).touch()
    monkeypatch.setenv("_ANTIPHON_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    monkeypatch.setattr("sys.argv", ["antiphon"])
    ended = run_command(capsys)
    assert set(ended.out.split()) == expected
