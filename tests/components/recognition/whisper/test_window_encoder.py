"""Audio that is prepared in threads and encoded ahead gives the outcomes of one utterance after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.prefetch import Prefetched
from components.recognition.vad.windows import Span
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.recognition.whisper.windows import features, opening
from components.records import NBest, Outcome, Quarantined, Utterance
from tests.components.recognition.tiny import tiny
from tests.components.recognition.whisper.scripted import CHECKPOINT, scripted_recognizer, utterance
from tests.strict_device import on_card, on_cpu, on_device, strict_device


@pytest.fixture(autouse=True)
def spans_of_twelve_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of voice activity detection, which finds nothing in noise."""

    def cut(samples: NDArray[np.float32]) -> list[Span]:
        seconds = len(samples) / 16000
        ends = [*np.arange(12, seconds, 12), seconds]
        return [Span(max(0, end - 12), end, speech_end=end - 0.2) for end in map(float, ends)]

    monkeypatch.setattr(opening, "windows_of", cut)


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("sound")
    items = [utterance(folder, f"u{i}", 0.5 + i % 3, language=("en", "und")[i % 2]) for i in range(6)]
    gone = utterance(folder, "gone", 1)
    (folder / "gone.flac").unlink()
    text = Utterance(id="text", text="hi", source_language="en")
    silence = utterance(folder, "silence", 1, level=0)
    klingon, talk = utterance(folder, "klingon", 1, "tlh"), utterance(folder, "talk", 40, "und")
    return [items[0], gone, *items[1:4], silence, klingon, text, talk, *items[4:]]


def recognize(
    utterances: list[Utterance], threads: int, place: Callable[[Any], Any] | None = None, **settings: object
) -> list[Outcome]:
    config = {"batch_size": 2, "beam_size": 1, "n_best": 1, "max_tokens": 4, "temperature_fallback": (0.0,)}
    machine = WhisperRecognizer(
        RecognitionConfig.model_validate({**config, "device": "cpu", **settings}),
        OpenAIWhisperBackend(place(tiny()) if place else tiny(), padding_stride=6),
        CHECKPOINT,
    )
    assert (machine.threads, machine.encodes_ahead) == (0, place is not None)  # what is best on a device
    machine.threads, machine.encodes_ahead = threads, threads > 0
    return machine.recognize(utterances)


@pytest.mark.parametrize("vad", [True, False])
def test_outcomes_do_not_depend_on_threads(utterances: list[Utterance], vad: bool) -> None:
    expected = recognize(utterances, 0, vad=vad)
    assert [type(outcome) for outcome in expected].count(Quarantined) == 3
    assert recognize(utterances, 3, vad=vad) == expected


def test_the_next_batch_is_encoded_before_the_present_one_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prefetched, "is_ready", property(lambda self: bool(self._pending)))  # wait for them
    machine, backend = scripted_recognizer(batch_size=2, device="cpu")
    machine.threads, machine.encodes_ahead = 2, True
    events: list[str] = []
    encode, decode = backend.encode, backend.decode
    monkeypatch.setattr(backend, "encode", lambda mels: events.append("encode") or encode(mels))
    monkeypatch.setattr(backend, "decode", lambda *a, **k: events.append("decode") or decode(*a, **k))
    machine.recognize([utterance(tmp_path, f"u{i}", 1 + i % 2) for i in range(5)])
    assert events == ["encode", "encode", "decode", "encode", "decode", "decode"]


def test_a_batch_that_comes_otherwise_than_expected_is_encoded_again(utterances: list[Utterance]) -> None:
    """Windows that end early stay in the next batch; see MAX_SKIPPED_SPEECH_SECONDS."""
    machine, backend = scripted_recognizer(batch_size=1, device="cpu")
    machine.threads, machine.encodes_ahead = 2, True
    long = [item for item in utterances if item.id == "talk"]
    serial, reference = scripted_recognizer(batch_size=1, device="cpu")
    assert machine.recognize(long) == serial.recognize(long)
    assert sum(backend.batches) > sum(reference.batches)


def test_features_of_several_stretches_are_those_of_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    stretches = [
        rng.normal(0, level, n).astype(np.float32) for level, n in ((0.1, 16000), (1e-3, 40123), (0, 900))
    ]
    with strict_device(monkeypatch) as device:
        monkeypatch.setattr(features, "mel_filters", features.mel_filters.__wrapped__)  # it keeps tensors
        mels: list[Tensor] = on_cpu(features.compute_log_mels(stretches, 80, torch.device("cuda:0")))
        assert device.counts.total("sync") == 0
    for mel, stretch in zip(mels, stretches, strict=True):
        torch.testing.assert_close(mel, features.compute_log_mel(stretch), rtol=1e-4, atol=1e-4)


class FakeStream:
    """A CUDA stream that notes who waits for whom; the strict device computes at once."""

    log: ClassVar[list[str]] = []

    def __init__(self, name: object = "side") -> None:
        self.name = "side" if isinstance(name, torch.device) else name

    def wait_stream(self, other: FakeStream) -> None:
        self.log.append(f"{self.name} waits for {other.name}")

    def record_event(self) -> str:
        return "encoded"

    def wait_event(self, event: str) -> None:
        self.log.append(f"{self.name} waits for {event}")


def test_on_a_device_the_texts_are_those_of_the_cpu_and_streams_wait_for_each_other(
    utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [item for item in utterances if item.id != "talk"]
    expected = recognize(items, 0)
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeStream("main"))
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(features, "mel_filters", features.mel_filters.__wrapped__)
    with strict_device(monkeypatch):
        outcomes = recognize(items, 2, on_device)
    assert [text_of(outcome) for outcome in outcomes] == [text_of(outcome) for outcome in expected]
    assert FakeStream.log[:2] == ["side waits for main", "main waits for encoded"]


def text_of(outcome: Outcome) -> str:
    return outcome.best.text if isinstance(outcome, NBest) else outcome.detail


@pytest.mark.gpu
def test_on_a_card_the_texts_are_those_of_the_cpu(utterances: list[Utterance]) -> None:
    outcomes = recognize(utterances, 4, on_card)
    assert list(map(text_of, outcomes)) == list(map(text_of, recognize(utterances, 0)))
