"""Texts and sound of the sample set, which is part of the repository."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import components.samples
from components.recognition.whisper.windows.features import WINDOW_FRAMES, compute_log_mel, cut_window

FOLDER = Path(components.samples.__file__).parent


def sample_sentences(limit: int | None = None) -> list[str]:
    """English sentences."""
    lines = (FOLDER / "sentences.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["en"] for line in lines[:limit]]


def sample_windows(limit: int | None = None) -> Tensor:
    """The first 30 s of each recording as log-mel features (N, 80, 3000), read by soundfile."""
    import soundfile

    windows = []
    for path in sorted(FOLDER.glob("*.flac"))[:limit]:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
        windows.append(cut_window(compute_log_mel(np.ascontiguousarray(samples.mean(1))), 0))
    return torch.stack(windows)


def noise_windows(n: int, mels: int) -> Tensor:
    """Random log-mel features (N, mels, 3000), which are heard to their end."""
    return torch.randn(n, mels, WINDOW_FRAMES, generator=torch.Generator().manual_seed(0))
