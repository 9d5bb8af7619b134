"""Transcripts that are begun: the search goes on behind them, and says what it attended to."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import ConfigError
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.whisper.recognizer import WhisperRecognizer
from tests.components.recognition.tiny import tiny
from tests.components.recognition.whisper.scripted import CHECKPOINT, scripted_recognizer, utterance

pytestmark = pytest.mark.core


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("beam", [1, 3])
def test_a_transcript_begins_with_what_is_written_and_goes_on(
    tmp_path: Path, timestamps: bool, beam: int
) -> None:
    config = RecognitionConfig(
        beam_size=beam, n_best=beam, max_tokens=16, timestamps=timestamps, vad=False, no_speech_threshold=1.0,
        temperature_fallback=(0.0,),
    )  # fmt: skip
    recognizer = WhisperRecognizer(config, OpenAIWhisperBackend(tiny()), CHECKPOINT)
    spoken = utterance(tmp_path, "spoken", 3)
    free = recognizer.go_on(spoken, "", False)
    assert free.outcome == recognizer.recognize([spoken])[0]
    continued = recognizer.go_on(spoken, "two words", True)
    text = continued.outcome.best.text
    assert text.split()[:2] == ["two", "words"]
    assert len(text.split()) > 2
    ends = [token.end for token in continued.attended]
    assert ends == sorted(ends)
    assert ends[-1] == len(text)
    assert all(0 <= token.position < 3 for token in continued.attended)


def test_a_library_that_does_not_say_what_is_attended_to_is_refused(tmp_path: Path) -> None:
    recognizer, _ = scripted_recognizer()
    with pytest.raises(ConfigError, match="expected a Whisper of backend whisper or transformers"):
        recognizer.go_on(utterance(tmp_path, "spoken", 3), "", True)
