from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from components.compute.layers.kernels import Arithmetic
from components.compute.layers.packed_linear import can_pack
from components.recognition.whisper.encoder import WhisperEncoder, attend_packed
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
    for module in ("components.compute.layers.packed_linear", "components.recognition.whisper.encoder"):
        monkeypatch.setattr(f"{module}.can_pack", lambda *_: False)
    model, batch = tiny(), mels(1)
    torch.testing.assert_close(WhisperEncoder(model)(batch), model.encoder(batch), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("packed_layers")
@pytest.mark.parametrize("length", [1, 499, 500, 501, 1300])
def test_packed_attention_equals_torchs(length: int) -> None:
    q, k, v = torch.randn(3, 2, length, 16, generator=torch.Generator().manual_seed(length))
    expected = functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(attend_packed(q, k, v), expected, rtol=1e-4, atol=1e-5)
