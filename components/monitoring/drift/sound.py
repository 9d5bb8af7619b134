"""What can be heard of a recording without understanding it: level, noise, colour, pauses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.audio import SAMPLE_RATE, Samples

VERSION = 1
"""Of the numbers; stored ones of another are measured again."""
FRAME = SAMPLE_RATE // 40
"""Samples of a frame, 25 ms."""
_QUIETEST = 1e-10
"""Power of a frame below which it is digital silence: -100 dB."""
_FULL = 0.999
"""Magnitude from which a sample is cut off."""
Frames = NDArray[np.float64]


def _decibels(power: Frames) -> Frames:
    return 10 * np.log10(np.maximum(power, _QUIETEST))


def _level(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    return float(_decibels(np.square(samples, dtype=np.float64).mean(keepdims=True))[0])


def _noise(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    return float(np.percentile(decibels, 10))


def _speech_to_noise(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    return float(np.percentile(decibels, 90) - np.percentile(decibels, 10))


def _silent(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    return float((decibels < decibels.max() - 40).mean())


def _brightness(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    frequencies = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    return float((spectrum * frequencies).sum() / max(spectrum.sum(), _QUIETEST))


def _bandwidth(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    frequencies = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    total = spectrum.cumsum()
    return float(frequencies[int(np.searchsorted(total, 0.95 * total[-1]))])


def _clipped(samples: Samples, decibels: Frames, spectrum: Frames) -> float:
    return float((np.abs(samples) >= _FULL).mean())


SOUND: dict[str, tuple[str, Callable[[Samples, Frames, Frames], float]]] = {
    "level_db": ("loudness in dB", _level),
    "noise_db": ("loudness of the quietest tenth in dB", _noise),
    "snr_db": ("loudest against quietest tenth in dB", _speech_to_noise),
    "silent_share": ("share of silence", _silent),
    "brightness_hz": ("mean frequency in Hz", _brightness),
    "bandwidth_hz": ("frequency below which 95% of the power is, in Hz", _bandwidth),
    "clipped_share": ("share of samples that are cut off", _clipped),
}
"""Signal -> what it is, and (samples, decibels of frames, mean power by frequency) -> number."""


def measure_sound(samples: Samples) -> dict[str, float]:
    """Return the signals of 16 kHz samples (n,); {} of less than two frames."""
    count = len(samples) // FRAME
    if count < 2:
        return {}
    frames = samples[: count * FRAME].reshape(count, FRAME).astype(np.float64)
    decibels = _decibels(np.square(frames).mean(1))
    spectrum = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1))).mean(0)
    return {name: function(samples, decibels, spectrum) for name, (_, function) in SOUND.items()}
