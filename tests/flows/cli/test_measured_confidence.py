"""`antiphon measure`: any finished run with references, and the lines of what it cannot measure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.records import Audio, Hypothesis, NBest, Token, Utterance
from components.run_record import NodeRecord, PipelineRecord
from components.storage.store import Store
from tests.command import exit_code_of
from tests.components.storage.test_store import record
from tests.components.storage.written import written

IDS = [f"u{n}" for n in range(12)]


def utterance(key: str, transcript: str | None) -> Utterance:
    audio = Audio(path="/x.wav", sha256="0" * 64, seconds=2.0, sample_rate=16000)
    return Utterance(id=key, audio=audio, source_language="en", transcript=transcript)


def nbest(n: int) -> NBest:
    """Every third second word is wrong, and less sure than the others."""
    words = ["good", "bad" if n % 3 == 0 else "dogs"]
    log_probs = [-0.1, -2.0 if n % 3 == 0 else -0.3]
    best = Hypothesis(
        text=" ".join(words),
        score=sum(log_probs),
        n_tokens=2,
        system="x",
        tokens=tuple(Token(piece=f" {w}", log_prob=p) for w, p in zip(words, log_probs, strict=True)),
    )
    return NBest(utterance_id=IDS[n], hypotheses=(best,))


def make_run(folder: Path, transcript: str | None) -> None:
    store = Store(str(folder))
    data = written(store, "data", [utterance(key, transcript) for key in IDS])
    stages = (data, written(store, "asr", [nbest(n) for n in range(len(IDS))]))
    node = NodeRecord(name="asr", kind="recognize", output="text", reads={"of0": "data"}, language="source")
    pipeline = PipelineRecord(nodes=(node,), outputs={"transcript": "asr"})
    store.save_run(record("mine", flow="pipeline", stages=stages, pipeline=pipeline))


def run(folder: Path, *arguments: str) -> int:
    return exit_code_of("measure", "mine", "--store", str(folder), *arguments)


def test_the_raw_signals_of_any_run_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, "good dogs")
    assert not run(tmp_path, "--json")
    *printed, line = capsys.readouterr().out.splitlines()
    signals = {signal["outcome"]: signal for signal in json.loads(line)["signals"]}
    assert signals.keys() == {"word", "utterance", "wer"}
    assert signals["word"]["n"] == signals["word"]["n_total"] == 24
    assert signals["word"]["measures"]["auroc"] == {"value": 1.0, "interval": [1.0, 1.0]}
    assert signals["wer"]["measures"]["kendall"]["value"] == 1.0
    text = " ".join("\n".join(printed).split())
    assert "asr, words: " in text


@pytest.mark.parametrize(
    ("transcript", "arguments", "message", "code"),
    [
        (None, (), "expected texts with references (transcripts or translations in the data), found none", 1),
        ("good dogs", ("--node", "ars"), "--node: expected a node with texts, one of asr; found 'ars'", 2),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    transcript: str | None,
    arguments: tuple[str, ...],
    message: str,
    code: int,
) -> None:
    make_run(tmp_path, transcript)
    assert run(tmp_path, *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
