"""Packaged weights on real speech: the sample set, and the human recordings of the shared folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import whisper

from components import audio
from components.data import load
from components.metrics.recognition import recognition_scores
from components.models import resolve
from components.models.whisper_loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance

SHARED = Path(os.environ.get("ANTIPHON_SHARED", Path(__file__).parents[4] / ".." / "shared"))
pytestmark = pytest.mark.models


def best_of(config: RecognitionConfig, utterances: list[Utterance]) -> list[NBest]:
    outcomes = build(config).recognize(utterances)
    assert all(isinstance(o, NBest) for o in outcomes)
    return [o for o in outcomes if isinstance(o, NBest)]


def transcribe(utterance: Utterance, **options: bool) -> dict[str, Any]:
    model = load_whisper(resolve("packaged:whisper-base"))
    assert utterance.audio is not None
    samples = audio.decode(utterance.audio)
    return whisper.transcribe(
        model,
        samples,
        language=utterance.source_language,
        condition_on_previous_text=False,
        fp16=False,
        **options,
    )


def theirs(utterance: Utterance) -> str:
    return str(transcribe(utterance)["text"]).strip()


def test_samples_have_the_text_that_openai_whisper_gives_them() -> None:
    spoken = [u for u in load("sample").utterances if u.audio][:4]
    outcomes = best_of(RecognitionConfig(beam_size=1, n_best=1), spoken)
    assert [o.best.text for o in outcomes] == [theirs(u) for u in spoken]


@pytest.mark.parametrize("backend", ["transformers", "faster-whisper"])
def test_backends_agree(backend: str) -> None:
    spoken = [u for u in load("sample").utterances if u.audio][:2]
    config = RecognitionConfig(beam_size=2, n_best=2, padding_stride=1)
    other = config.model_copy(update={"backend": backend})
    for mine, its in zip(best_of(config, spoken), best_of(other, spoken), strict=True):
        assert mine.best.text == its.best.text
        assert mine.best.score == pytest.approx(its.best.score, rel=5e-3)


@pytest.mark.parametrize("backend", ["whisper", "faster-whisper"])
def test_words_are_said_when_openai_whisper_says(backend: str) -> None:
    spoken = [u for u in load("sample").utterances if u.audio][:1]
    config = RecognitionConfig(beam_size=1, n_best=1, word_times=True)
    for outcome, utterance in zip(
        best_of(config.model_copy(update={"backend": backend}), spoken), spoken, strict=True
    ):
        segments = transcribe(utterance, word_timestamps=True)["segments"]
        expected = [word for segment in segments for word in segment["words"]]
        words = [word for segment in outcome.best.segments for word in segment.words]
        assert [word.text for word in words] == [word["word"] for word in expected]
        for name in ("start", "end"):
            assert [getattr(word, name) for word in words] == pytest.approx(
                [word[name] for word in expected], abs=0.06
            )


def test_long_audio_is_put_together_and_silence_adds_nothing(tmp_path: Path) -> None:
    spoken = [u for u in load("sample").utterances if u.audio][:2]
    quiet = np.zeros(25 * audio.SAMPLE_RATE, np.float32)
    parts = [part for u in spoken if u.audio for part in (audio.decode(u.audio), quiet)]
    soundfile.write(tmp_path / "talk.flac", np.concatenate(parts), audio.SAMPLE_RATE)
    talk = Utterance(id="talk", audio=audio.describe(tmp_path / "talk.flac"), source_language="en")
    (outcome,) = best_of(RecognitionConfig(beam_size=1, n_best=1), [talk])
    expected = " ".join(o.best.text for o in best_of(RecognitionConfig(beam_size=1, n_best=1), spoken))
    scores = recognition_scores({"talk": expected}, {"talk": outcome.best.text}, language="en", n_total=1)
    assert scores["wer"].value < 10
    times = [(s.start, s.end) for s in outcome.best.segments]
    assert times == sorted(times)
    assert times[-1][1] <= len(np.concatenate(parts)) / audio.SAMPLE_RATE


@pytest.mark.shared
def test_human_recordings_have_the_text_that_openai_whisper_gives_them() -> None:
    """Eight of the 94; docs/results/recognition.md has all of them."""
    folder = SHARED / "data" / "audio"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/audio (or ANTIPHON_SHARED)")
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()[:8]]
    spoken = [
        Utterance(id=r["file"], audio=audio.describe(folder / r["file"]), source_language=r["language"])
        for r in rows
    ]
    outcomes = best_of(RecognitionConfig(beam_size=1, n_best=1), spoken)
    same = sum(o.best.text == theirs(u) for o, u in zip(outcomes, spoken, strict=True))
    assert same >= 7
