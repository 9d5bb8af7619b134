"""Sounds in which nobody speaks, and speech as short as a word: what a recognizer writes about either.

The sounds are made on the spot and are the same at every call. The words are the loudest 0.4 s of every other
human recording.
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.common.cached_recognition import recognize_cached
from benchmarks.common.paths import RESULTS
from benchmarks.common.recordings import decode_audio, load_recordings
from benchmarks.common.tables import markdown_table
from benchmarks.quality.recognition import word_error_counts
from components import audio
from components.records import Utterance

MODEL = "packaged:whisper-base"
OUT = RESULTS / "non-speech.md"
SYSTEMS: dict[str, dict[str, object]] = {
    "beam 5 (the default)": {},
    "beam 5, `asr.vad=false`": {"vad": False},
}
WORD_SECONDS = 0.4
RATE = 16_000
SECONDS = (0.4, 1.0, 2.5, 6.0, 14.0, 29.0)
Sound = NDArray[np.float64]


def _band(rng: np.random.Generator, n: int, low: float, high: float, slope: float = 0.0) -> Sound:
    """Noise between two frequencies in Hz whose power falls with frequency ** ``slope``, peak 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hertz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum *= (hertz >= low) & (hertz <= high)
    spectrum /= np.maximum(hertz, 20.0) ** (slope / 2)
    noise = np.fft.irfft(spectrum, n)
    return noise / max(float(np.abs(noise).max()), 1e-9)


def _tones(n: int, hertz: NDArray[np.float64]) -> Sound:
    """Harmonic tones that follow the frequencies (n,), four partials, peak about 1."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    return np.asarray(sum(np.sin(k * phase) / k for k in range(1, 5)) / 2)[:n]


def _dither(rng: np.random.Generator, n: int) -> Sound:
    return rng.integers(-2, 3, n) / 2**15


def _room(rng: np.random.Generator, n: int) -> Sound:
    return 0.004 * _band(rng, n, 20, 4_000, 2.0)


def _white(rng: np.random.Generator, n: int) -> Sound:
    return 0.1 * rng.standard_normal(n)


def _pink(rng: np.random.Generator, n: int) -> Sound:
    return 0.3 * _band(rng, n, 20, 8_000, 1.0)


def _hum(rng: np.random.Generator, n: int) -> Sound:
    return 0.2 * _tones(n, np.full(n, rng.choice([50.0, 60.0]))) + 0.002 * rng.standard_normal(n)


def _clicks(rng: np.random.Generator, n: int) -> Sound:
    samples = 0.0005 * rng.standard_normal(n)
    decay = 0.7 * np.exp(-np.arange(320) / 40)
    for at in rng.integers(0, max(1, n - 320), max(1, n // RATE * 3)):
        part = samples[at : at + 320]
        part += (decay * rng.standard_normal(320))[: len(part)]
    return samples


def _sweep(rng: np.random.Generator, n: int) -> Sound:
    del rng
    return 0.3 * np.sin(2 * np.pi * np.cumsum(np.geomspace(100, 6_000, n)) / RATE)


def _chords(rng: np.random.Generator, n: int) -> Sound:
    samples = np.zeros(n)
    for begin in range(0, n, RATE):
        length = min(RATE, n - begin)
        root = 110 * 2 ** (rng.integers(0, 13) / 12)
        chord = sum(_tones(length, np.full(length, root * ratio)) for ratio in (1, 1.26, 1.5))
        samples[begin : begin + length] = 0.15 * chord * np.exp(-np.arange(length) / RATE)
    return samples


def _melody(rng: np.random.Generator, n: int) -> Sound:
    notes = 220 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12], n // 4_000 + 1) / 12)
    return 0.25 * _tones(n, np.repeat(notes, 4_000)[:n])


def _breath(rng: np.random.Generator, n: int) -> Sound:
    swell = np.clip(np.sin(2 * np.pi * 0.3 * np.arange(n) / RATE + rng.uniform(0, 6)), 0, 1) ** 2
    return 0.1 * swell * _band(rng, n, 300, 3_500, 0.5) + 0.0005 * rng.standard_normal(n)


def _ringing(rng: np.random.Generator, n: int) -> Sound:
    """A telephone's: 425 Hz, one second in five."""
    time = np.arange(n) / RATE
    return 0.2 * np.sin(2 * np.pi * 425 * time) * (time % 5 < 1) + 0.001 * rng.standard_normal(n)


def _wind(rng: np.random.Generator, n: int) -> Sound:
    """Low noise that comes and goes."""
    gusts = 1 + np.sin(2 * np.pi * 0.5 * np.arange(n) / RATE + rng.uniform(0, 6))
    return 0.2 * gusts * _band(rng, n, 30, 600, 2.0)


KINDS: dict[str, Callable[[np.random.Generator, int], Sound]] = {
    "dither": _dither,
    "room": _room,
    "white noise": _white,
    "pink noise": _pink,
    "hum": _hum,
    "clicks": _clicks,
    "sweep": _sweep,
    "chords": _chords,
    "melody": _melody,
    "breath": _breath,
    "ringing": _ringing,
    "wind": _wind,
}


def make_sound(kind: str, seconds: float) -> NDArray[np.float32]:
    """Mono 16 kHz samples in [-1, 1], the same at every call."""
    rng = np.random.default_rng(zlib.crc32(f"{kind} {seconds}".encode()))
    return KINDS[kind](rng, round(seconds * RATE)).clip(-1, 1).astype(np.float32)


def write_sound(folder: Path, name: str, samples: NDArray[np.float32], language: str) -> Utterance:
    path = folder / f"{name}.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return Utterance(id=name, audio=audio.describe(path), source_language=language)


def make_sounds(folder: Path) -> list[Utterance]:
    """Every kind in every length."""
    return [
        write_sound(folder, f"{kind} {s:g} s", make_sound(kind, s), "en") for kind in KINDS for s in SECONDS
    ]


def words(folder: Path, spoken: Sequence[Utterance]) -> list[Utterance]:
    """The loudest 0.4 s of each recording."""
    clips, n = [], round(WORD_SECONDS * RATE)
    for utterance in spoken:
        samples = decode_audio(utterance)
        at = int(np.convolve(samples**2, np.ones(n), "valid").argmax())
        clips.append(write_sound(folder, utterance.id, samples[at : at + n], utterance.source_language))
    return clips


def wilson_interval(k: int, n: int) -> str:
    """``3 of 72: 4.2% (1.4-11.5)``, with Wilson's interval of 95%."""
    z, p = 1.959964, k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (100 * max(0.0, middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return f"{k} of {n}: {100 * p:.1f}% ({low:.1f}-{high:.1f})"


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.quality non-speech", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    spoken = load_recordings()
    rows, wrong = [], []
    with TemporaryDirectory() as folder:
        sets = [make_sounds(Path(folder)), words(Path(folder), spoken[::2]), spoken]
        for name, settings in SYSTEMS.items():
            row = [name]
            for utterances in sets:
                lists, _ = recognize_cached({"model": MODEL, "n_best": 1, **settings}, utterances)
                texts = {u.id: lists[u.id].best.text for u in utterances}
                row.append(wilson_interval(sum(map(bool, texts.values())), len(texts)))
                if utterances is sets[0]:
                    wrong += [f"- {name}, {about}: {text[:60]}" for about, text in texts.items() if text]
            rows.append([*row, *word_error_counts(spoken, list(texts.values())).values()])
            print(" | ".join(rows[-1]), flush=True)
    header = [
        "search",
        "non-speech",
        "words of 0.4 s",
        "recordings",
        *word_error_counts(spoken, [""] * len(spoken)),
    ]
    lines = [
        "# Sounds without speech, Whisper base",
        "",
        f"`python -m benchmarks.quality non-speech`: on how many a text is written. {len(sets[0])} sounds in "
        f"which nobody speaks, seeded ({', '.join(KINDS)}; {', '.join(f'{s:g}' for s in SECONDS)} s): no "
        f"text is right. The loudest {WORD_SECONDS} s of {len(sets[1])} human recordings, all {len(spoken)}: "
        "a text is right. Float32, language given, the default guards. In brackets Wilson's 95% "
        "interval. WER of the recordings in percent by language, corpus level.",
        "",
        markdown_table(header, rows),
        "",
        "A window is silence when the model's no-speech probability is above 0.6 and either its text is "
        "improbable (openai-whisper's rule) or voice activity detection finds no voice in it "
        "(`asr.vad`); a text without a letter or digit is none.",
        "",
        "## What was written about sounds without speech",
        "",
        *wrong,
    ]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
