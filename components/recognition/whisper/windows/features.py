"""Log-mel features as openai-whisper's ``log_mel_spectrogram`` makes them, of the audio alone.

openai-whisper pads 30 s of silence before the transform and cuts it off again; one transform window of
silence gives the same frames at a fraction of the cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from components.compute.openai_whisper import (
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    SAMPLE_RATE,
    log_mel_spectrogram,
    mel_filters,
)

FRAMES_PER_SECOND: int = SAMPLE_RATE // HOP_LENGTH
"""Of the log-mel features: one frame is 10 ms."""
WINDOW_FRAMES: int = N_FRAMES
"""Of one window: Whisper reads 30 s at a time."""


def compute_log_mel(samples: NDArray[np.float32], n_mels: int = 80) -> Tensor:
    """Mono 16 kHz samples in [-1, 1] (n,) -> (n_mels, n // 160): one frame every 10 ms."""
    frames = len(samples) // HOP_LENGTH
    mel: Tensor = log_mel_spectrogram(
        torch.from_numpy(np.ascontiguousarray(samples)), n_mels, padding=2 * N_FFT
    )
    return mel[:, :frames]


def compute_log_mels(
    samples: Sequence[NDArray[np.float32]], n_mels: int, device: torch.device
) -> list[Tensor]:
    """Return :func:`compute_log_mel` of several stretches on a device, in one transform of all.

    Args:
        samples: of each stretch, mono, 16 kHz.
        n_mels: Mel bands, 80 or 128.
        device: where it is computed.

    Returns:
        (n_mels, n // 160) of each stretch of n samples, on the device.
    """
    shape = (len(samples), max(map(len, samples)) + 2 * N_FFT)
    host = torch.zeros(shape, pin_memory=device.type == "cuda")
    for row, part in zip(host, samples, strict=True):
        row[: len(part)] = torch.from_numpy(part)
    window = torch.hann_window(N_FFT, device=device)
    transform = torch.stft(
        host.to(device, non_blocking=True), N_FFT, HOP_LENGTH, window=window, return_complex=True
    )
    log_mel = (mel_filters(device, n_mels) @ transform[..., :-1].abs().square()).clamp_(min=1e-10).log10_()
    floor = log_mel.amax((1, 2), keepdim=True) - 8.0  # silence after a shorter stretch does not raise it
    log_mel = (torch.maximum(log_mel, floor) + 4.0) / 4.0
    return [mel[:, : len(part) // HOP_LENGTH] for mel, part in zip(log_mel, samples, strict=True)]


def cut_window(mel: Tensor, start: int) -> Tensor:
    """Return the 30 s of features (n_mels, 3000) that begin at frame ``start``, zeros after the end."""
    part = mel[:, start : start + N_FRAMES]
    return torch.nn.functional.pad(part, (0, N_FRAMES - part.shape[1]))
