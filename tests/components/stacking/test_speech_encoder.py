"""Encoder states: their number, their pooling, and how near a short window is to Whisper's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from components import audio
from components.data import load
from components.errors import DataError
from components.models import resolve
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.whisper.windows.features import compute_log_mel
from components.records import Utterance
from components.stacking.config import SpeechConfig
from components.stacking.encoder_states import EncoderStates, write_states
from components.stacking.speech_encoder import SpeechEncoder
from tests.components.stacking import tiny


@torch.no_grad()
def test_the_full_window_is_openai_whispers_encoder(whisper_folder: Path, tmp_path: Path) -> None:
    utterance = tiny.tone(tmp_path / "t.wav", 440, 0.81)
    config = SpeechConfig(model=str(whisper_folder), window_seconds=30, pooling=1)
    encoder = SpeechEncoder(config, device="cpu")
    mel = compute_log_mel(audio.decode(utterance.audio))
    expected = load_whisper(resolve(str(whisper_folder))).encoder(
        functional.pad(mel, (0, 3000 - mel.shape[1]))[None]
    )[0, :41]
    result = encoder.encode(utterance)
    assert result.shape == (41, tiny.WIDTH)  # 81 frames of 10 ms, two to a state
    torch.testing.assert_close(result.float(), expected, rtol=1e-2, atol=1e-2)
    pooled = SpeechEncoder(SpeechConfig(model=str(whisper_folder), window_seconds=30), device="cpu")
    means = [expected[i : i + 2].mean(0) for i in range(0, 41, 2)]
    torch.testing.assert_close(pooled.encode(utterance).float(), torch.stack(means), rtol=1e-2, atol=1e-2)


def test_what_cannot_be_heard_is_said(whisper_folder: Path, tmp_path: Path) -> None:
    encoder = SpeechEncoder(SpeechConfig(model=str(whisper_folder), window_seconds=1), device="cpu")
    with pytest.raises(DataError, match="found text only"):
        encoder.encode(Utterance(id="w", text="ein hund", source_language="en"))
    good = tiny.tone(tmp_path / "good.wav", 440)
    written = Utterance(id="w", text="ein hund", source_language="en")
    refused = write_states(encoder, [good, written], tmp_path / "states")
    assert [(bad.utterance_id, bad.stage) for bad in refused] == [("w", "encodings")]
    states = EncoderStates(tmp_path / "states")
    assert list(states) == ["good"]
    assert torch.equal(states["good"], encoder.encode(good))
    assert "w" not in states


def test_writing_goes_on_where_it_stopped(
    whisper_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.stacking.encoder_states.SHARD_SIZE", 2)
    encoder = SpeechEncoder(SpeechConfig(model=str(whisper_folder), window_seconds=1), device="cpu")
    tones = [tiny.tone(tmp_path / f"t{i}.wav", 200.0 + i) for i in range(5)]
    write_states(encoder, tones[:4], tmp_path / "states")
    before = [path.stat().st_mtime_ns for path in sorted((tmp_path / "states").iterdir())]
    done: list[int] = []
    write_states(encoder, tones, tmp_path / "states", done.append)
    after = [path.stat().st_mtime_ns for path in sorted((tmp_path / "states").iterdir())]
    assert after[:2] == before
    assert (len(after), len(EncoderStates(tmp_path / "states")), done) == (3, 5, [2, 4, 5])


def test_states_that_a_folder_lost_are_missed(whisper_folder: Path, tmp_path: Path) -> None:
    encoder = SpeechEncoder(SpeechConfig(model=str(whisper_folder), window_seconds=1), device="cpu")
    tones = [tiny.tone(tmp_path / f"t{i}.wav", 200.0 + i) for i in range(2)]
    write_states(encoder, tones[:1], tmp_path / "states")
    (lost,) = write_states(encoder, tones, tmp_path / "states")  # one shard, which was written without it
    assert (lost.utterance_id, lost.detail) == (
        "t1",
        "expected its states in the folder, found none: remove the folder and encode again",
    )


@pytest.mark.models
def test_a_window_of_eight_seconds_is_near_whispers_own() -> None:
    utterances = [u for u in load("sample").utterances if u.audio is not None and u.audio.seconds < 6][:2]
    short, full = (
        SpeechEncoder(SpeechConfig(window_seconds=seconds), device="cpu") for seconds in (8.0, 30.0)
    )
    for utterance in utterances:
        pair = short.encode(utterance).float(), full.encode(utterance).float()
        assert float(functional.cosine_similarity(*pair, dim=-1).mean()) > 0.97
