"""Perturbations of speech: 16 kHz mono samples -> samples, the same for the same utterance and seed.

They are applied in the order in which nature does: the speaker's speed, the room's echo, noise, the band of
the line, an input that is overdriven.
"""

from __future__ import annotations

import hashlib

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from components.audio import SAMPLE_RATE, Samples
from components.perturbation.config import PerturbationConfig

Noise = NDArray[np.float32]
_REVERB_DB = 60.0
"""Decibels by which an echo has fallen after its reverberation time (ISO 3382)."""


def perturb_speech(
    samples: Samples, config: PerturbationConfig, utterance_id: str, seed: int, noise: Noise | None = None
) -> Samples:
    """Return the samples, perturbed.

    Args:
        samples: (n,) float32 at 16 kHz.
        config: what is done.
        utterance_id: with ``seed`` it decides the noise, whatever else is perturbed beside it.
        seed: of the run.
        noise: (m,) samples of a recording of noise, at 16 kHz; None for that of ``config.noise``.

    Returns:
        (n / speed,) float32.
    """
    digest = hashlib.sha256(f"{seed}\0{utterance_id}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    changed = change_speed(samples, config.speed)
    if config.reverb_seconds > 0:
        changed = add_reverberation(changed, config.reverb_seconds, rng)
    if config.snr_db is not None:
        added = (
            _draw_noise(len(changed), config.noise, rng)
            if noise is None
            else _cut_noise(noise, len(changed), rng)
        )
        changed = add_noise(changed, added, config.snr_db)
    changed = limit_band(changed, config.min_hz, config.max_hz)
    return clip(changed, config.clipping)


def change_speed(samples: Samples, speed: float) -> Samples:
    """Play samples ``speed`` times as fast, pitch included; a click too short to resample stays."""
    if speed == 1 or not len(samples):
        return samples
    rate = round(SAMPLE_RATE * speed)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, :]), format="flt", layout="mono")
    frame.sample_rate = rate
    blocks = [out.to_ndarray()[0] for part in (frame, None) for out in resampler.resample(part)]
    played: Samples = np.concatenate(blocks) if blocks else samples
    return played


def add_reverberation(samples: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """Return the samples in a room whose echo falls by 60 dB in ``seconds``; as loud as before.

    The impulse response is the direct sound and exponentially decaying white noise (Polack 1988); one of less
    than two samples is none.
    """
    n = round(seconds * SAMPLE_RATE)
    if n < 2:
        return samples
    decay = 10.0 ** (-_REVERB_DB / 20.0 * np.arange(n) / n)
    response = rng.standard_normal(n) * decay
    response *= 1.0 / np.sqrt((response**2).sum())  # echo and direct sound are equally loud
    response[0] += 1.0
    size = len(samples) + n - 1
    echoed = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    return _as_loud(echoed, samples)


def add_noise(samples: Samples, noise: Noise, snr_db: float) -> Samples:
    """Return the samples with noise (n,), scaled so that the ratio of their powers is exactly ``snr_db``."""
    speech_power, noise_power = _power_of(samples), _power_of(noise)
    if speech_power == 0 or noise_power == 0:
        return samples
    gain = np.sqrt(speech_power / noise_power / 10.0 ** (snr_db / 10.0))
    noisy: Samples = (samples + gain * noise).astype(np.float32)
    return noisy


def limit_band(samples: Samples, min_hz: float, max_hz: float) -> Samples:
    """Return the samples without frequencies outside of [min_hz, max_hz]: their Fourier components are 0."""
    if (min_hz <= 0 and max_hz >= SAMPLE_RATE / 2) or not len(samples):
        return samples
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(frequencies < min_hz) | (frequencies > max_hz)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def clip(samples: Samples, share: float) -> Samples:
    """Return the samples with the loudest ``share`` of them cut off at the magnitude of the next."""
    if share <= 0 or not len(samples):
        return samples
    level = np.quantile(np.abs(samples), 1 - share)
    return samples.clip(-level, level)


def _draw_noise(n: int, color: str, rng: np.random.Generator) -> Noise:
    white = rng.standard_normal(n)
    if color == "white" or n < 2:
        return white.astype(np.float32)
    spectrum = np.fft.rfft(white)
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))  # power falls as 1 / f
    spectrum[0] = 0
    return np.fft.irfft(spectrum, n).astype(np.float32)


def _cut_noise(noise: Noise, n: int, rng: np.random.Generator) -> Noise:
    """Return ``n`` samples of a recording from a random one on, again from its start where it ends."""
    start = int(rng.integers(len(noise)))
    return noise[(start + np.arange(n)) % len(noise)]


def _power_of(samples: NDArray[np.floating]) -> float:
    return float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0


def _as_loud(samples: NDArray[np.floating], model: Samples) -> Samples:
    power = _power_of(samples)
    gain = np.sqrt(_power_of(model) / power) if power else 1.0
    return (samples * gain).astype(np.float32)
