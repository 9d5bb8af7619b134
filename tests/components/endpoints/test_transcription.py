"""A transcription endpoint: what servers with times, with log-probabilities and with neither give."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio import describe
from components.endpoints.endpoint import find_endpoint
from components.endpoints.transcription import SAMPLE_RATE, Clip, TranscriptionModel, to_wav
from components.errors import ModelError
from components.recognition.backends.served import decoder as served
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.recognition.vad.windows import Span
from components.recognition.windowed.recognizer import WindowRecognizer
from components.records import Checkpoint, Hypothesis, NBest, Outcome, Utterance
from tests.openai_server import OpenAIServer, on

SOUND = np.sin(np.arange(2 * SAMPLE_RATE) * 0.1).astype(np.float32) * 0.5
VERBOSE = {
    "text": " Hello, world. It is late!",
    "language": "english",
    "segments": [
        {"text": " Hello, world.", "start": 0.0, "end": 1.0, "avg_logprob": -0.5, "tokens": [1, 2, 3]},
        {"text": " It is late!", "start": 1.0, "end": 1.9, "avg_logprob": -0.25, "tokens": [4, 5]},
    ],
    "words": [
        {"word": "Hello", "start": 0.1, "end": 0.4},
        {"word": "world", "start": 0.5, "end": 0.9},
        {"word": "It", "start": 1.1, "end": 1.2},
        {"word": "is", "start": 1.2, "end": 1.3},
        {"word": "late", "start": 1.4, "end": 1.8},
    ],
}


def recognize(tmp_path: Path, spans: list[Span] | None = None, language: str = "und") -> Outcome:
    path = tmp_path / "a.wav"
    path.write_bytes(to_wav(SOUND))
    config = RecognitionConfig(model="served:echo", backend="served", word_times=True, vad=False)
    checkpoint = Checkpoint(reference="served:echo", path="", sha256="0" * 64, architecture="served")
    decoder = served.ServedDecoder(TranscriptionModel(find_endpoint("echo"), word_times=True))
    recognizer = WindowRecognizer(config, decoder, checkpoint)
    recognizer._find_spans = lambda samples: spans or [Span(0.0, 2.0)]  # type: ignore[method-assign]
    (outcome,) = recognizer.recognize(
        [Utterance(id="u", audio=describe(str(path)), source_language=language)]
    )
    return outcome


def best(outcome: Outcome) -> Hypothesis:
    return outcome.best


def test_what_is_sent_is_the_sound() -> None:
    samples, rate = soundfile.read(io.BytesIO(to_wav(SOUND)), dtype="float32")
    assert rate == SAMPLE_RATE
    assert np.abs(samples - SOUND).max() < 1e-4


def test_segments_words_scores_and_language(endpoint: OpenAIServer, tmp_path: Path) -> None:
    endpoint.transcript = VERBOSE
    outcome = recognize(tmp_path)
    hypothesis = best(outcome)
    assert isinstance(outcome, NBest)
    assert outcome.language == "en"
    assert hypothesis.text == "Hello, world. It is late!"
    assert (hypothesis.score, hypothesis.n_tokens) == (pytest.approx(-2.0), 5)
    assert hypothesis.features["audio_seconds"] == 2.0
    first, second = hypothesis.segments
    assert [word.text for word in first.words] == [" Hello,", " world."]
    assert ((first.start, first.end), second.mean_log_prob) == ((0.1, 0.9), -0.25)
    assert [word.text for word in second.words] == [" It", " is", " late!"]
    form = endpoint.forms[-1]
    assert 'name="timestamp_granularities[]"' in form
    assert 'name="language"' not in form


def test_times_of_a_later_span_are_those_of_the_recording(endpoint: OpenAIServer, tmp_path: Path) -> None:
    endpoint.transcript = {**VERBOSE, "segments": VERBOSE["segments"], "words": []}
    hypothesis = best(recognize(tmp_path, [Span(0.0, 0.5), Span(0.05, 2.0)]))
    assert [(round(s.start, 2), round(s.end, 2)) for s in hypothesis.segments] == [
        (0.0, 0.5), (0.5, 0.5), (0.05, 1.05), (1.05, 1.95),
    ]  # fmt: skip
    assert hypothesis.text == "Hello, world. It is late! Hello, world. It is late!"
    assert hypothesis.score == pytest.approx(-4.0)


def test_a_server_without_times_gives_log_probabilities_or_nothing(
    endpoint: OpenAIServer, tmp_path: Path
) -> None:
    endpoint.refused = ("timestamp_granularities", "response_format")
    endpoint.transcript = {"text": "a dog", "logprobs": [{"token": "a", "logprob": -1.0}]}
    hypothesis = best(recognize(tmp_path, language="de-AT"))
    assert (hypothesis.text, hypothesis.score, hypothesis.n_tokens) == ("a dog", -1.0, 1)
    assert [(s.start, s.end, s.text) for s in hypothesis.segments] == [(0.0, 2.0, "a dog")]
    assert 'name="language"\r\n\r\nde\r\n' in endpoint.forms[-1]
    endpoint.transcript = {"text": "a cat"}
    (answer,) = TranscriptionModel(find_endpoint("echo")).transcribe([Clip(SOUND[:8000], None)])
    assert getattr(answer, "text", None) == "a cat"


def test_a_recording_that_is_refused_is_quarantined(endpoint: OpenAIServer, tmp_path: Path) -> None:
    sent = to_wav(SOUND)[100:120].decode("latin-1")
    endpoint.faults = [on(sent, lambda h: h.fail(413, "too large"))]
    outcome = recognize(tmp_path)
    assert (outcome.reason, outcome.stage) == ("refused by the server", "asr")
    assert "too large" in outcome.detail


def test_windows_of_all_recordings_and_languages_are_asked_for_at_once(
    endpoint: OpenAIServer, tmp_path: Path
) -> None:
    endpoint.faults = [lambda handler, text: bool(time.sleep(0.3))]
    rows = []
    for number in range(4):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(to_wav(SOUND * (0.2 + number / 5)))
        language = ("de", "en")[number % 2]
        rows.append(Utterance(id=str(number), audio=describe(str(path)), source_language=language))
    config = RecognitionConfig(model="served:echo", backend="served", batch_size=1, vad=False)
    outcomes = build(config).recognize(rows)
    assert [best(outcome).text for outcome in outcomes] == ["a dog"] * 4
    assert [best(outcome).system for outcome in outcomes] == ["served:echo"] * 4
    assert endpoint.most_at_once == 4
    asked = len(endpoint.forms)
    assert build(config).recognize(rows) == outcomes  # answers are kept
    assert len(endpoint.forms) == asked


def test_a_server_that_transcribes_nothing(endpoint: OpenAIServer) -> None:
    endpoint.faults = [on("", lambda h: h.fail(400, "only text here"))]
    with pytest.raises(ModelError, match=r"only text here.*; does it transcribe speech"):
        TranscriptionModel(find_endpoint("echo")).probe()
