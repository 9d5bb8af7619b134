"""A long recording whose run was interrupted goes on behind the last window, through the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from components.pipeline.pipeline import DATA
from components.pipeline.reading.reader import read_pipeline
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.storage.store import Store
from tasks.execution.executor import PipelineResult, execute
from tests.components.recognition.whisper.scripted import utterance
from tests.components.stacking.tiny import whisper
from tests.components.storage.written import written

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]


@flow(name="recognizing", persist_result=False)
def recognizing(folder: Path, store: str) -> PipelineResult:
    """Recognize one recording of four windows or more."""
    talk = utterance(folder, "talk", 100.0)
    data = written(Store(store), "data", [talk])
    settings = {"beam_size": 1, "n_best": 1, "max_tokens": 4, "vad": False, "temperature_fallback": [0.0]}
    nodes = {"asr": {"kind": "recognize", "model": str(folder / "model"), **settings}}
    return execute(read_pipeline({"nodes": nodes}), {DATA: data}, store, 0)


def test_a_long_recording_goes_on_behind_the_last_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whisper(tmp_path / "model")
    decode, calls, most = WhisperRecognizer._decode_batch, [], [2]

    def count(self: WhisperRecognizer, *arguments: Any, **named: Any) -> Any:
        if len(calls) == most[0]:
            raise RuntimeError("killed")
        calls.append(1)
        return decode(self, *arguments, **named)

    monkeypatch.setattr(WhisperRecognizer, "_decode_batch", count)
    store = tmp_path / "store"
    assert recognizing(tmp_path, str(store)).statuses == {"asr": "failed"}
    (journal,) = store.glob("windows/*.jsonl")
    most[0] = 100
    again = recognizing(tmp_path, str(store))
    done = len(calls)
    assert not journal.exists()  # the shard has landed
    straight = recognizing(tmp_path, str(tmp_path / "straight"))
    assert len(calls) == 2 * done > 6  # nothing was decoded twice
    assert again.stages["asr"].sha256 == straight.stages["asr"].sha256
