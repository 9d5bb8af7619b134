"""The speaker encoder of Resemblyzer: 1.6 s of speech -> a vector that is alike for one voice.

Three LSTM layers and a projection (Wan et al. 2018, "Generalized end-to-end loss for speaker verification";
weights of https://github.com/resemble-ai/Resemblyzer, Apache 2.0). The package itself is not used: it loads
its weights as a pickle and needs a compiler. A test holds the vectors to those of its own network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from components.audio import SAMPLE_RATE, Samples
from components.errors import ModelError, to_one_line
from components.files.files import write_json
from components.models.checkpoints import WEIGHTS
from components.models.weights import copy_weights_into, move_model
from components.records import Checkpoint

ARCHITECTURE = "VoiceEncoder"

MELS, WIDTH, LAYERS = 40, 256, 3
FRAMES = 160
"""Frames of 10 ms that the encoder was trained on."""
_FFT, _HOP = 400, 160
_BATCH = 64
LOUDNESS = 10 ** (-30 / 20)
"""Root mean square that quieter audio is amplified to, as the encoder was trained with."""


class VoiceEncoder(nn.Module):
    """Mel frames (n, 160, 40) -> voices (n, 256), each of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MELS, WIDTH, LAYERS, batch_first=True)
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, mels: Tensor) -> Tensor:
        """Return the voices."""
        _, (hidden, _) = self.lstm(mels)
        return functional.normalize(self.linear(hidden[-1]).relu(), dim=1)

    @torch.inference_mode()
    def embed(self, windows: Tensor) -> NDArray[np.float32]:
        """Windows (n, 160, 40) of :func:`mel_frames` -> voices (n, 256)."""
        device = self.linear.weight.device
        return torch.cat([self(part.to(device)).cpu() for part in torch.split(windows, _BATCH)]).numpy()


def load_encoder(checkpoint: Checkpoint, device: str) -> VoiceEncoder:
    """Load the encoder in evaluation mode. ModelError where a checkpoint's weights are not those of one."""
    model = VoiceEncoder()
    copy_weights_into(checkpoint, model.state_dict())
    return move_model(checkpoint, model, torch.device(device)).eval()


def write_encoder(weights: Path, folder: Path) -> None:
    """Convert Resemblyzer's own file (read with ``weights_only=True``) into a model folder.

    Raises:
        ModelError: it is something else.
    """
    try:
        loaded = torch.load(weights, map_location="cpu", weights_only=True)
        state = {name: loaded["model_state"][name] for name in VoiceEncoder().state_dict()}
    except Exception as error:  # what a damaged or hostile file makes torch raise has no common class
        raise ModelError(
            f"{weights}: expected Resemblyzer's speaker encoder, found something else ({to_one_line(error)})"
        ) from error
    save_file(state, folder / WEIGHTS)
    write_json(folder / "config.json", {"architectures": [ARCHITECTURE]})


def mel_frames(samples: Samples) -> Tensor:
    """Samples -> mel power (frames of 10 ms, 40), as librosa computes it with 25 ms windows."""
    loudness = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
    level = max(1.0, LOUDNESS / loudness) if loudness else 1.0
    spectrum = torch.stft(
        torch.from_numpy(samples) * level,
        _FFT,
        _HOP,
        window=torch.hann_window(_FFT),
        pad_mode="constant",
        return_complex=True,
    )
    return spectrum.abs().square().T @ _mel_filters()


@cache
def _mel_filters() -> Tensor:
    from transformers.audio_utils import mel_filter_bank  # noqa: PLC0415 - only where one is used

    bands = mel_filter_bank(
        _FFT // 2 + 1, MELS, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    return torch.from_numpy(np.asarray(bands, np.float32))


def cut_windows(frames: Tensor, windows: Sequence[tuple[float, float]]) -> Tensor:
    """Frames (n, 40) and windows in seconds -> (windows, 160, 40); what is shorter is repeated."""
    cut = []
    for start, end in windows:
        first = min(round(start * 100), len(frames) - 1)
        part = frames[first : max(first + 1, min(round(end * 100), first + FRAMES))]
        cut.append(part.repeat(-(-FRAMES // len(part)), 1)[:FRAMES])
    return torch.stack(cut)
