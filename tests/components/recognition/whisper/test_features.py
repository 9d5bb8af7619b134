from __future__ import annotations

import numpy as np
import pytest
import torch
from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim

from components.recognition.whisper.windows import features


@pytest.mark.parametrize("n", [1, 159, 160, 400, 16000, 16123, 480000, 500001])
def test_equals_openai_whisper_with_its_thirty_seconds_of_padding(n: int) -> None:
    samples = np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32)
    padded = log_mel_spectrogram(samples, 80, padding=N_SAMPLES)
    expected = padded[:, : padded.shape[1] - N_FRAMES]
    got = features.compute_log_mel(samples)
    assert got.shape == (80, n // 160)
    torch.testing.assert_close(got, expected)


def test_window_is_padded_with_zeros_like_pad_or_trim() -> None:
    mel = torch.randn(80, 3500)
    torch.testing.assert_close(features.cut_window(mel, 0), pad_or_trim(mel, N_FRAMES))
    torch.testing.assert_close(features.cut_window(mel, 1000), pad_or_trim(mel[:, 1000:], N_FRAMES))
    assert features.cut_window(mel[:, :0], 0).shape == (80, N_FRAMES)
