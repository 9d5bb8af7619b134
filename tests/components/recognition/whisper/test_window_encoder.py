"""Audio that is prepared in threads and encoded ahead gives the outcomes of one utterance after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from components import audio
from components.recognition.backends.openai_whisper import OpenAIWhisperBackend
from components.recognition.config import RecognitionConfig
from components.recognition.prefetch import Prefetched
from components.recognition.whisper import features
from components.recognition.whisper.recognizer import WhisperRecognizer
from components.records import Outcome, Quarantined, Utterance
from tests.components.recognition.tiny import tiny
from tests.components.recognition.whisper.scripted import CHECKPOINT, scripted_recognizer, utterance
from tests.strict_device import on_cpu, strict_device


def talk(folder: Path, seconds: int) -> Utterance:
    """Noise with pauses, which voice activity detection cuts into windows."""
    rng = np.random.default_rng(seconds)
    level = np.repeat(np.resize([0.3, 0.3, 0.3, 0.0], seconds), 16000)
    soundfile.write(folder / "talk.flac", (level * rng.normal(0, 1, len(level))).clip(-1, 1), 16000)
    return Utterance(id="talk", audio=audio.describe(folder / "talk.flac"), source_language="und")


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("sound")
    items = [utterance(folder, f"u{i}", 0.5 + i % 3, language=("en", "und")[i % 2]) for i in range(6)]
    gone = utterance(folder, "gone", 1)
    (folder / "gone.flac").unlink()
    text = Utterance(id="text", text="hi", source_language="en")
    silence = utterance(folder, "silence", 1, level=0)
    klingon = utterance(folder, "klingon", 1, language="tlh")
    return [items[0], gone, *items[1:4], silence, klingon, text, talk(folder, 40), *items[4:]]


def recognize(utterances: list[Utterance], threads: int, **settings: object) -> list[Outcome]:
    config = {"batch_size": 2, "beam_size": 1, "n_best": 1, "max_tokens": 4, "temperature_fallback": (0.0,)}
    machine = WhisperRecognizer(
        RecognitionConfig.model_validate({**config, "device": "cpu", **settings}),
        OpenAIWhisperBackend(tiny(), padding_stride=6),
        CHECKPOINT,
    )
    assert (machine.threads, machine.encodes_ahead) == (0, False)  # the default of a CPU
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
    assert machine.recognize(long + utterances[:1]) == serial.recognize(long + utterances[:1])
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
