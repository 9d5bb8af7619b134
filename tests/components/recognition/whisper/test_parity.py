"""Packaged weights on real speech: the sample set, and the human recordings of the shared folder."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import whisper

from components import audio
from components.data import load
from components.metrics.error_rates.recognition import recognition_scores
from components.models import resolve
from components.models.loaders.whisper_loading import load_whisper
from components.recognition.config import RecognitionConfig
from components.recognition.factory import build
from components.records import NBest, Utterance

SHARED = Path(os.environ.get("ANTIPHON_SHARED", Path(__file__).parents[4] / ".." / "shared"))
pytestmark = pytest.mark.models


def best_of(config: RecognitionConfig, utterances: list[Utterance]) -> list[NBest]:
    outcomes = build(config).recognize(utterances)
    assert all(isinstance(o, NBest) for o in outcomes)
    return [o for o in outcomes if isinstance(o, NBest)]


@cache
def samples(number: int) -> list[Utterance]:
    return [u for u in load("sample").utterances if u.audio][:number]


PAIRED = RecognitionConfig(beam_size=2, n_best=2, padding_stride=1)


@cache
def by_whisper() -> list[NBest]:
    """Of the first two samples."""
    return best_of(PAIRED, samples(2))


@cache
def oracle() -> Any:
    return load_whisper(resolve("packaged:whisper-base"))


def transcribe(utterance: Utterance, **options: bool) -> dict[str, Any]:
    return whisper.transcribe(
        oracle(),
        audio.decode(utterance.audio),
        language=utterance.source_language,
        condition_on_previous_text=False,
        fp16=False,
        **options,
    )


@cache
def first_sample() -> dict[str, Any]:
    """What openai-whisper writes of the first sample, and when which word is said."""
    return transcribe(samples(1)[0], word_timestamps=True)


def assert_same_texts(spoken: list[Utterance]) -> None:
    outcomes = best_of(RecognitionConfig(beam_size=1, n_best=1), spoken)
    assert [o.best.text for o in outcomes] == [transcribe(u)["text"].strip() for u in spoken]


def test_a_sample_has_the_text_that_openai_whisper_gives_it() -> None:
    assert_same_texts(samples(2)[1:])


@pytest.mark.parametrize("backend", ["transformers", "faster-whisper"])
def test_backends_agree(backend: str) -> None:
    (its,) = best_of(PAIRED.model_copy(update={"backend": backend}), samples(1))
    assert by_whisper()[0].best.text == its.best.text
    assert by_whisper()[0].best.score == pytest.approx(its.best.score, rel=5e-3)


@pytest.mark.parametrize("backend", ["whisper", "faster-whisper"])
def test_words_are_said_when_openai_whisper_says(backend: str) -> None:
    config = RecognitionConfig(beam_size=1, n_best=1, word_times=True, vad=False, backend=backend)
    (outcome,) = best_of(config, samples(1))
    assert outcome.best.text == first_sample()["text"].strip()
    expected = [word for segment in first_sample()["segments"] for word in segment["words"]]
    words = [word for segment in outcome.best.segments for word in segment.words]
    assert [word.text for word in words] == [word["word"] for word in expected]
    for name in ("start", "end"):
        times = [word[name] for word in expected]
        assert [getattr(word, name) for word in words] == pytest.approx(times, abs=0.06)


def test_long_audio_is_put_together_and_silence_adds_nothing(tmp_path: Path) -> None:
    spoken = samples(2)
    quiet = np.zeros(25 * audio.SAMPLE_RATE, np.float32)
    parts = [part for u in spoken if u.audio for part in (audio.decode(u.audio), quiet)]
    soundfile.write(tmp_path / "talk.flac", np.concatenate(parts), audio.SAMPLE_RATE)
    talk = Utterance(id="talk", audio=audio.describe(tmp_path / "talk.flac"), source_language="en")
    (outcome,) = best_of(RecognitionConfig(beam_size=1, n_best=1), [talk])
    expected = " ".join(o.best.text for o in by_whisper())
    scores = recognition_scores({"talk": expected}, {"talk": outcome.best.text}, language="en", n_total=1)
    assert scores["wer"].value < 10
    times = [(s.start, s.end) for s in outcome.best.segments]
    assert times == sorted(times)
    assert times[-1][1] <= len(np.concatenate(parts)) / audio.SAMPLE_RATE


@pytest.mark.shared
def test_human_recordings_have_the_text_that_openai_whisper_gives_them() -> None:
    """One of each language but English."""
    folder = SHARED / "data" / "audio"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/audio (or ANTIPHON_SHARED)")
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]
    names = [f"{language}_cheetah_plain.flac" for language in ("es", "de", "fr")]
    spoken = [
        Utterance(id=r["file"], audio=audio.describe(folder / r["file"]), source_language=r["language"])
        for r in rows
        if r["file"] in names
    ]
    assert_same_texts(spoken)
