"""Sounds in which nobody speaks, made on the spot: the same samples at every call."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
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
