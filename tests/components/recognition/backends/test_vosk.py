"""The vosk backend over a double that answers as Vosk 0.3.45 does (copied from its answers, shortened)."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from components import audio, data
from components.errors import ModelError
from components.models.sources import speech_folder
from components.recognition import checks
from components.recognition.backends import vosk as backend
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance

BEST = {
    "result": [
        {"conf": 0.552505, "end": 0.473624, "start": 0.24, "word": "one"},
        {"conf": 1.0, "end": 0.75, "start": 0.473624, "word": "two"},
    ],
    "text": "one two",
}
PATHS = {
    "alternatives": [
        {"confidence": 158.785736, "result": [{"end": 0.48, "start": 0.24, "word": "one"}], "text": " one"},
        {"confidence": 158.770233, "result": [{"end": 0.48, "start": 0.24, "word": "won"}], "text": " won"},
    ]
}


class Recognizer:
    """Answers by how many alternatives are asked for; what it was given is kept."""

    heard: list[int] = []  # noqa: RUF012 - of the test

    def __init__(self, model: Any, rate: float) -> None:
        assert rate == 16_000.0
        self._alternatives = 0

    def SetWords(self, words: bool) -> None:  # noqa: N802 - Vosk's name
        assert words

    def SetMaxAlternatives(self, alternatives: int) -> None:  # noqa: N802
        self._alternatives = alternatives

    def AcceptWaveform(self, pcm: bytes) -> int:  # noqa: N802
        self.heard.append(len(np.frombuffer(pcm, "<i2")))
        return 0

    def FinalResult(self) -> str:  # noqa: N802
        return json.dumps(PATHS if self._alternatives else BEST)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("am/final.mdl", "graph/HCLr.fst"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("double")
    double = SimpleNamespace(
        Model=lambda path: path, KaldiRecognizer=Recognizer, SetLogLevel=lambda level: None
    )
    monkeypatch.setitem(sys.modules, "vosk", double)  # type: ignore[arg-type]
    for module in (checks, speech_folder):
        monkeypatch.setattr(module, "find_spec", lambda name: name)
    return tmp_path


def recognize(folder: Path, **values: object) -> NBest:
    config = RecognitionConfig.model_validate(
        {"model": f"vosk:{folder}", "backend": "vosk", "word_times": True, "vad": False, **values}
    )
    checks.check(config, None)
    checks.validate_model(config, None)
    utterance: Utterance = data.load("sample").utterances[0]
    (outcome,) = build(config).recognize([utterance])
    assert isinstance(outcome, NBest)
    assert utterance.audio is not None
    assert Recognizer.heard[-1] == len(audio.decode(utterance.audio))
    return outcome


def test_one_text_has_the_posteriors_of_its_words(folder: Path) -> None:
    best = recognize(folder, n_best=1).best
    assert best.text == "one two"
    assert best.score == pytest.approx(math.log(0.552505))
    assert [token.piece for token in best.tokens] == [" one", " two"]
    words = best.segments[0].words
    assert [(word.start, word.probability) for word in words] == [(0.24, 0.552505), (0.473624, 1.0)]


def test_several_texts_have_their_share_of_the_list(folder: Path) -> None:
    nbest = recognize(folder, n_best=2)
    assert [hypothesis.text for hypothesis in nbest.hypotheses] == ["one", "won"]
    assert sum(math.exp(hypothesis.score) for hypothesis in nbest.hypotheses) == pytest.approx(1)
    first, second = (hypothesis.score for hypothesis in nbest.hypotheses)
    assert first - second == pytest.approx(158.785736 - 158.770233)


def test_files_that_vosk_cannot_read_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> None:
        raise Exception("Failed to create a model")

    monkeypatch.setattr(sys.modules["vosk"], "Model", fail)
    with pytest.raises(ModelError, match=r"Vosk cannot load these files \(Failed to create a model\)"):
        backend.load(
            speech_folder.speech_folder_model("vosk", str(folder)), RecognitionConfig(), torch.device("cpu")
        )
