"""The states of Whisper's encoder of a recording that is not padded to 30 s, and means of neighbors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from components.audio import Samples
from components.recognition.whisper.encoder import WhisperEncoder
from components.recognition.whisper.windows.features import FRAMES_PER_SECOND, WINDOW_FRAMES, compute_log_mel


@torch.inference_mode()
def compute_states(encoder: WhisperEncoder, samples: Samples, window_seconds: float) -> Tensor:
    """Return the states (T, d) of mono 16 kHz ``samples``, 50 a second, in float32.

    Unlike a window of Whisper the recording is not padded to 30 s.

    Args:
        encoder: Whisper's.
        samples: at most 30 s; the rest is left out.
        window_seconds: shorter audio is padded to this before it is encoded; longer audio is not padded.
    """
    mel = compute_log_mel(samples, encoder.n_mels)[:, :WINDOW_FRAMES]
    n_states = max(1, -(-mel.shape[1] // 2))
    frames = max(round(window_seconds * FRAMES_PER_SECOND), 2 * n_states)
    return encoder(functional.pad(mel, (0, frames - mel.shape[1]))[None])[0, :n_states].float()


def average_pool(states: Tensor, size: int) -> Tensor:
    """(T, d) -> (ceil(T / size), d): means of ``size`` neighbors; the last is the mean of the rest."""
    if size == 1:
        return states
    return functional.avg_pool1d(states.T[None], size, ceil_mode=True, count_include_pad=False)[0].T
