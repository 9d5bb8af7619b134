"""A recognizer that hears one thing of speech: whether it is loud."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from typing_extensions import override

from components.recognition.backends.windowed import WindowedBackend
from components.recognition.windowed.decoder import Window, WindowHypothesis
from components.recognition.windowed.nbest import Hypotheses, NBestDecoder


class LoudnessDecoder(NBestDecoder):
    """Writes ``loud`` or ``quiet`` for each window."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    @override
    def decode(self, windows: Sequence[Window]) -> list[Hypotheses]:
        return [self._describe(window) for window in windows]

    def _describe(self, window: Window) -> Hypotheses:
        level = float(np.sqrt(np.mean(np.square(window.samples))))
        text = "loud" if level > self._threshold else "quiet"
        return [WindowHypothesis(text, score=-0.1, rank=-0.1)]


class Loudness(WindowedBackend):
    """Reads folders whose configuration names a LoudnessModel."""

    reads = "a folder with a threshold"
    architectures = ("loudnessmodel",)
    version = "1"

    @override
    def load(self, checkpoint: Any, config: Any, device: Any) -> float:
        return float(load_file(Path(checkpoint.path) / "model.safetensors")["threshold"])

    @override
    def build_decoder(self, config: Any, loaded: float, checkpoint: Any) -> LoudnessDecoder:
        return LoudnessDecoder(loaded)
