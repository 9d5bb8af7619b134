"""Balance losses against plain loops, and their extremes."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

from components.errors import ConfigError
from components.networks.moe import load_balancing_loss
from components.networks.moe.router import Router, Routing, route


def _logits(tokens: int = 40, experts: int = 4) -> torch.Tensor:
    return torch.randn(tokens, experts, generator=torch.Generator().manual_seed(3))


def test_z_loss_is_the_mean_squared_log_partition() -> None:
    logits = _logits(5, 3)
    plain = sum(math.log(sum(math.exp(v) for v in row)) ** 2 for row in logits.tolist()) / 5
    assert load_balancing_loss.z_loss(route(logits, 2)).item() == pytest.approx(plain, rel=1e-5)


def test_switch_is_transformers_over_k() -> None:
    logits = _logits()
    theirs = load_balancing_loss_func((logits,), num_experts=4, top_k=2)
    assert load_balancing_loss.switch_loss(route(logits, 2)).item() == pytest.approx(
        float(theirs) / 2, rel=1e-5
    )


def test_importance_is_the_squared_variation_of_summed_gates() -> None:
    routing = route(_logits(), 2)
    sums = [0.0] * 4
    for experts, gates in zip(routing.experts.tolist(), routing.gates.tolist(), strict=True):
        for e, g in zip(experts, gates, strict=True):
            sums[e] += g
    mean = sum(sums) / 4
    plain = sum((s - mean) ** 2 for s in sums) / 3 / mean**2
    assert load_balancing_loss.importance_loss(routing).item() == pytest.approx(plain, rel=1e-4)


def test_load_against_drawing_the_noise_again() -> None:
    """P(x, i) of the paper: the share of new draws of expert i's own noise that put it among the k best."""
    torch.manual_seed(1)
    clean, scale = torch.randn(1, 5), torch.rand(1, 5) + 0.5
    noisy = clean + torch.randn(1, 5) * scale
    result = route(noisy, 2)
    routing = Routing(noisy, result.experts, result.gates, clean, scale)
    draws = 40_000
    expected = []
    for i in range(5):
        again = noisy.repeat(draws, 1)
        again[:, i] = clean[0, i] + torch.randn(draws) * scale[0, i]
        expected.append((again.topk(2, -1).indices == i).any(-1).float().mean().item())
    values = torch.tensor(expected)
    assert load_balancing_loss.load_loss(routing).item() == pytest.approx(
        load_balancing_loss.squared_coefficient_of_variation(values).item(), rel=0.05
    )


def test_load_needs_noise() -> None:
    with pytest.raises(ConfigError, match="expected noisy gating"):
        load_balancing_loss.load_loss(route(_logits(), 2))


def test_total_is_per_layer() -> None:
    """Two layers that collapse on different experts are not balanced together."""
    a = route(torch.tensor([[9.0, 0.0]]).repeat(6, 1), 1)
    b = route(torch.tensor([[0.0, 9.0]]).repeat(6, 1), 1)
    both = load_balancing_loss.total_loss([a, b], "switch", 1.0, 0.0).item()
    assert both == pytest.approx(
        load_balancing_loss.switch_loss(a).item() + load_balancing_loss.switch_loss(b).item()
    )
    assert both > 3.9
    assert load_balancing_loss.total_loss([], "switch", 1.0, 1.0).item() == 0


def test_gradient_moves_tokens_to_idle_experts() -> None:
    torch.manual_seed(0)
    router = Router(6, 4, 1)
    x = torch.randn(200, 6) + 2.0
    with torch.no_grad():
        router.weight[0] += 0.3  # collapsed on expert 0
    before = router(x).counts
    optimiser = torch.optim.Adam(router.parameters(), lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        load_balancing_loss.switch_loss(router(x)).backward()
        optimiser.step()
    assert before.max() > 190
    assert router(x).counts.max() < 120


def test_load_of_all_experts_cannot_be_balanced() -> None:
    router = Router(6, 4, 4, noisy=True)
    with pytest.raises(ConfigError, match="expected top_k below 4 for the load loss, found 4"):
        load_balancing_loss.load_loss(router(torch.randn(3, 6)))


def test_one_expert_is_always_balanced() -> None:
    assert load_balancing_loss.importance_loss(route(_logits(5, 1), 1)).item() == 0
