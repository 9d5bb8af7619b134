"""Dropout of a recognizer: a mask a window, the same alone and in a batch, another for each member."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from components.ensembling.token_level.whisper_dropout import WhisperWithDropout
from components.recognition.backends.whisper.model import EncoderOutput, OpenAIWhisperBackend


class Ones(OpenAIWhisperBackend):
    """Its encoder gives ones."""

    def __init__(self) -> None:
        self._window = 0

    def encode(self, mels: Tensor) -> EncoderOutput:
        return EncoderOutput(torch.ones(len(mels), 3, 200))


def dropped(number: int, mels: Tensor, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr(OpenAIWhisperBackend, "encode", Ones.encode)
    return WhisperWithDropout(Ones(), number, 0.25).encode(mels).states


def test_a_window_has_one_mask_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    mels = torch.randn(3, 80, 10)
    batch = dropped(0, mels, monkeypatch)
    alone = dropped(0, mels[1:2], monkeypatch)
    assert torch.equal(batch[1:2], alone)
    assert torch.equal(batch[:, 0], batch[:, 2])  # the same channels at every position
    assert {round(value, 4) for value in batch.unique().tolist()} == {0.0, round(1 / 0.75, 4)}
    assert (batch == 0).float().mean().item() == pytest.approx(0.25, abs=0.07)
    assert not torch.equal(batch[0], batch[1])
    assert not torch.equal(batch, dropped(1, mels, monkeypatch))
