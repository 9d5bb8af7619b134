"""Sounds in which nobody speaks, and speech as short as a word: what a recognizer writes about either.

The sounds are made on the spot and are the same at every call. The words are the loudest 0.4 s of every other
human recording.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.recordings import decode_audio, load_recordings
from benchmarks.common.sections import Result
from benchmarks.common.word_errors import Recording, recordings_of, word_error_rates
from benchmarks.quality.sounds import KINDS, RATE, make_sound
from components import audio
from components.records import Utterance

PAGE = "non-speech"
MODEL = "packaged:whisper-base"
SYSTEMS: dict[str, dict[str, object]] = {
    "beam 5 (the default)": {},
    "beam 5, `asr.vad=false`": {"vad": False},
}
WORD_SECONDS = 0.4
SECONDS = (0.4, 1.0, 2.5, 6.0, 14.0, 29.0)


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """What every system writes about the sounds, the words and the recordings, by their ids."""
    spoken = load_recordings()
    recordings, systems = recordings_of(spoken), {}
    with TemporaryDirectory() as folder:
        sets = {
            "sounds": make_sounds(Path(folder)),
            "words": cut_words(Path(folder), spoken[::2]),
            "recordings": spoken,
        }
        for system, settings in SYSTEMS.items():
            texts: dict[str, dict[str, str]] = {}
            for name, utterances in sets.items():
                lists, _ = recognize_cached({"model": MODEL, "n_best": 1, **settings}, utterances)
                texts[name] = {u.id: lists[u.id].best.text for u in utterances}
                print(system, name, flush=True)
            systems[system] = summarize(recordings, texts)
    sounds = {"kinds": list(KINDS), "seconds": SECONDS, "word_seconds": WORD_SECONDS}
    yield Result("texts", {**sounds, "recordings": recordings, "systems": systems}, [MODEL])


def summarize(recordings: list[Recording], texts: dict[str, dict[str, str]]) -> dict[str, Any]:
    """How many of how many got a text, by set; what was written about sounds; WER; and the texts."""
    counts = {name: (sum(map(bool, own.values())), len(own)) for name, own in texts.items()}
    wrong = {sound: text for sound, text in texts["sounds"].items() if text}
    rates = word_error_rates(recordings, [texts["recordings"][r["id"]] for r in recordings])
    return {**counts, "wrong": wrong, "wer": rates, "texts": texts}


def make_sounds(folder: Path) -> list[Utterance]:
    """Every kind in every length."""
    return [
        write_sound(folder, f"{kind} {s:g} s", make_sound(kind, s), "en") for kind in KINDS for s in SECONDS
    ]


def cut_words(folder: Path, spoken: Sequence[Utterance]) -> list[Utterance]:
    """The loudest 0.4 s of each recording."""
    clips, n = [], round(WORD_SECONDS * RATE)
    for utterance in spoken:
        samples = decode_audio(utterance)
        at = int(np.convolve(samples**2, np.ones(n), "valid").argmax())
        clips.append(write_sound(folder, utterance.id, samples[at : at + n], utterance.source_language))
    return clips


def write_sound(folder: Path, name: str, samples: NDArray[np.float32], language: str) -> Utterance:
    """Samples as a recording."""
    path = folder / f"{name}.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return Utterance(id=name, audio=audio.describe(path), source_language=language)
