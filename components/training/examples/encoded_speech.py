"""What an encoder that is not trained makes of recordings: each is encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from components.training.examples.speech_data import SpeechExample, read_features

MAX_BYTES = 4 * 2**30
"""Of outputs that are kept: about 2,800 recordings of Whisper base in bfloat16."""


class EncodedSpeech:
    """Encoder outputs by recording, on the CPU; what finds no room is encoded at every use.

    Serves one encoder: trainings that share it may share the outputs.

    Args:
        max_bytes: size of what is kept at most.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._kept: dict[tuple[str, float, float, torch.dtype], Tensor] = {}
        self._room = max_bytes

    @torch.no_grad()
    def read(
        self, encoder: Any, examples: Sequence[SpeechExample], n_mels: int, dtype: torch.dtype
    ) -> Tensor:
        """Return the encoder's outputs (N, 1500, d_model) for examples, on the CPU, in ``dtype``."""
        rows = []
        for example in examples:
            sound = example.utterance.audio
            assert sound is not None  # load_utterances
            key = (sound.sha256, sound.offset, sound.seconds, dtype)
            if (row := self._kept.get(key)) is None:
                row = _encode(encoder, read_features([example], n_mels), dtype)
                if row.nbytes <= self._room:
                    self._kept[key] = row
                    self._room -= row.nbytes
            rows.append(row)
        return torch.stack(rows)


def _encode(encoder: Any, features: Tensor, dtype: torch.dtype) -> Tensor:
    device = next(encoder.parameters()).device
    encoder.eval()  # no dropout in what is kept
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        states: Tensor = encoder(features.to(device)).last_hidden_state[0]
    return states.to("cpu", dtype)
