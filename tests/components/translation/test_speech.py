"""Whisper's translate task as a component, with the packaged weights."""

from __future__ import annotations

import pytest

from components.data import load
from components.metrics.error_rates.recognition import recognition_scores
from components.recognition.config import RecognitionConfig
from components.records import NBest
from components.translation.speech import SpeechTranslator

pytestmark = pytest.mark.models
GREEDY = RecognitionConfig(beam_size=1, n_best=1)


def test_speech_becomes_english_and_other_targets_are_refused_in_place() -> None:
    first, second, third = (
        u.model_copy(update={"target_language": "en"}) for u in load("sample").utterances[:3]
    )
    asked = [first, second.model_copy(update={"target_language": "de"}), third]
    outcomes = SpeechTranslator(GREEDY).translate(asked)
    assert [outcome.utterance_id for outcome in outcomes] == [utterance.id for utterance in asked]
    assert "cascade" in outcomes[1].detail
    # English speech comes out as English: its transcript is what to expect.
    references = {u.id: u.transcript or "" for u in (first, third)}
    written = {o.utterance_id: o.best.text for o in outcomes if isinstance(o, NBest)}
    assert recognition_scores(references, written, language="en", n_total=3)["wer"].value < 30
