"""Gates: the formula of the paper, Mixtral's order, noise, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from components.errors import ConfigError
from components.networks.moe.router import Router, route


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 10_000), st.floats(0.1, 30.0))
def test_both_orders_give_the_same_gates(n_experts: int, tokens: int, seed: int, spread: float) -> None:
    k = 1 + seed % n_experts
    logits = torch.randn(tokens, n_experts, generator=torch.Generator().manual_seed(seed)) * spread
    result = route(logits, k)
    best = logits.topk(k, -1)
    paper = torch.full_like(logits, -torch.inf).scatter(-1, best.indices, best.values).softmax(-1)
    values, experts = logits.softmax(-1).topk(k, -1)
    mixtral = torch.zeros_like(logits).scatter(-1, experts, values / values.sum(-1, keepdim=True))
    ours = torch.zeros_like(logits).scatter(-1, result.experts, result.gates)
    torch.testing.assert_close(ours, paper, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ours, mixtral, atol=1e-6, rtol=1e-4)
    assert int(result.counts.sum()) == k * tokens


def test_noise_is_of_the_learned_scale_and_only_in_training() -> None:
    torch.manual_seed(0)
    router = Router(4, 3, 3, noisy=True)
    assert router.noise_weight is not None
    nn.init.zeros_(router.weight)
    x = torch.ones(20_000, 4)
    spread = router(x).logits.std().item()
    assert spread == pytest.approx(0.6931, rel=0.02)  # softplus(0): what the scale starts at
    nn.init.constant_(router.noise_weight, 1.0)
    assert router(x).logits.std().item() == pytest.approx(4.0181, rel=0.02)  # softplus(4)
    assert router.eval()(x).logits.abs().max().item() == 0


def test_the_noise_scale_gets_a_gradient() -> None:
    router = Router(4, 3, 2, noisy=True)
    router(torch.randn(9, 4)).gates.square().sum().backward()
    assert router.noise_weight.grad.abs().sum() > 0


def test_routing_is_in_float32_also_under_autocast() -> None:
    router = Router(8, 4, 2).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        result = router(torch.randn(3, 8, dtype=torch.bfloat16))
    assert result.logits.dtype == result.gates.dtype == torch.float32


@pytest.mark.parametrize("k", [0, 5])
def test_more_experts_per_token_than_there_are(k: int) -> None:
    with pytest.raises(ConfigError, match=f"top_k: expected 1 to 4 .* found {k}; lower top_k"):
        Router(8, 4, k)
