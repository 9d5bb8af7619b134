"""Windows are decoded again, hotter, until a text passes the checks."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from components.recognition.config import RecognitionConfig
from components.recognition.whisper.backend import DecodingRequest, DecodingResult
from components.recognition.whisper.recognizer import WhisperRecognizer
from tests.components.recognition.whisper.scripted import (
    CHECKPOINT,
    Scripted,
    scripted_recognizer,
    scripted_result,
    utterance,
)

pytestmark = pytest.mark.core


@pytest.mark.parametrize("bad", [scripted_result(" no " * 60), scripted_result(" Unlikely.", -1.5)])
def test_failed_windows_are_decoded_hotter_until_one_passes(tmp_path: Path, bad: DecodingResult) -> None:
    machine, backend = scripted_recognizer({0.0: bad, 0.2: bad, 0.4: scripted_result(" Good.")})
    (outcome,) = machine.recognize([utterance(tmp_path, "hard", 3)])
    assert outcome.best.text == "Good."
    assert outcome.best.features["temperature"] == pytest.approx(0.4)
    assert [t for t, *_ in backend.calls] == pytest.approx([0.0, 0.2, 0.4])


def test_the_seed_reaches_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Scripted({0.0: scripted_result(" no " * 60), 0.2: scripted_result(" Good.")})
    machine = WhisperRecognizer(RecognitionConfig(), backend, CHECKPOINT, seed=7)
    seeds, decode = [], backend.decode

    def watched(features: Tensor, request: DecodingRequest) -> object:
        seeds.append(request.config.seed)
        return decode(features, request)

    monkeypatch.setattr(backend, "decode", watched)
    machine.recognize([utterance(tmp_path, "hard", 3)])
    assert seeds == [7, 7]


def test_when_every_temperature_fails_the_likeliest_attempt_that_does_not_loop_is_kept(
    tmp_path: Path,
) -> None:
    script = {
        0.0: scripted_result(" no " * 60, -0.1),
        0.2: scripted_result(" Perhaps.", -1.2),
        0.4: scripted_result(" Xyzzy.", -3.0),
    }
    machine, _ = scripted_recognizer(script, temperature_fallback=(0.0, 0.2, 0.4))
    (outcome,) = machine.recognize([utterance(tmp_path, "hopeless", 3)])
    assert outcome.best.text == "Perhaps."
