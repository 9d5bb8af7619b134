from __future__ import annotations

import pytest
import torch

from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import can_pack
from components.recognition.whisper.encoder import WhisperEncoder
from tests.components.recognition.tiny import mels, tiny
from tests.processor import require


@pytest.mark.usefixtures("packed_layers")
@pytest.mark.parametrize(("arithmetic", "error"), [("float32", 1e-5), ("bfloat16", 0.03), ("int8", 0.1)])
@torch.no_grad()
def test_equals_openai_whispers_encoder(arithmetic: Arithmetic, error: float) -> None:
    require(can_pack(arithmetic), f"products in {arithmetic}")
    model, batch = tiny(), mels(2)
    expected, got = model.encoder(batch), WhisperEncoder(model, arithmetic)(batch)
    assert got.dtype == torch.float32
    assert ((got - expected).norm() / expected.norm()).item() < error


@torch.no_grad()
def test_without_the_operators_torchs_own_layers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.compute.layers.packed_linear.can_pack", lambda *_: False)
    model, batch = tiny(), mels(1)
    torch.testing.assert_close(WhisperEncoder(model)(batch), model.encoder(batch), rtol=1e-4, atol=1e-4)
