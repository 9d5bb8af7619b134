"""Log-mel features as openai-whisper's ``log_mel_spectrogram`` makes them, of the audio alone.

openai-whisper pads 30 s of silence before the transform and cuts it off again; one transform window of
silence gives the same frames at a fraction of the cost.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, N_FRAMES, SAMPLE_RATE, log_mel_spectrogram

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


def cut_window(mel: Tensor, start: int) -> Tensor:
    """The 30 s of features (n_mels, 3000) that begin at frame ``start``, zeros after the end."""
    part = mel[:, start : start + N_FRAMES]
    return torch.nn.functional.pad(part, (0, N_FRAMES - part.shape[1]))
