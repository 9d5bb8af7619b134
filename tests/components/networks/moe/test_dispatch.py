"""Sorting by expert, capacity and putting back, against plain loops."""

from __future__ import annotations

import pytest
import torch

from components.networks.moe.dispatch import combine, dispatch
from components.networks.moe.router import route


def _routing(tokens: int, experts: int, k: int):
    return route(torch.randn(tokens, experts, generator=torch.Generator().manual_seed(tokens)), k)


@pytest.mark.parametrize(("tokens", "experts", "k"), [(1, 4, 2), (9, 4, 1), (9, 4, 4), (30, 8, 2), (0, 3, 2)])
def test_every_slot_once_sorted_by_expert(tokens: int, experts: int, k: int) -> None:
    routing = _routing(tokens, experts, k)
    plan = dispatch(routing)
    assert plan.n_calls == sum(plan.tokens_per_expert) == k * tokens
    assert sorted(plan.slots.tolist()) == list(range(k * tokens))
    selection = routing.experts.flatten()[plan.slots].tolist()
    assert selection == sorted(selection)
    assert [selection.count(e) for e in range(experts)] == plan.tokens_per_expert
    assert plan.tokens.tolist() == [slot // k for slot in plan.slots.tolist()]


def test_capacity_keeps_first_choices_() -> None:
    logits = torch.tensor([[3.0, 2.0, 0.0]] * 4 + [[2.0, 3.0, 0.0]] * 2)
    routing = route(logits, 2)
    plan = dispatch(routing, capacity=0.75)  # 12 slots, 3 experts: 3 each at most
    remaining = [
        (int(t), int(route(logits, 2).experts.flatten()[s]))
        for s, t in zip(plan.slots, plan.tokens, strict=True)
    ]
    assert remaining == [(0, 0), (1, 0), (2, 0), (0, 1), (4, 1), (5, 1)]
    assert plan.tokens_per_expert == [3, 3, 0]
    assert dispatch(routing, capacity=3.0).n_calls == 12
    assert dispatch(route(logits[:0], 2), capacity=0.75).n_calls == 0  # a pass of padding alone


@pytest.mark.parametrize("capacity", [None, 0.6])
def test_combine_is_the_weighted_sum(capacity: float | None) -> None:
    routing = _routing(11, 4, 2)
    plan = dispatch(routing, capacity)
    outputs = torch.randn(plan.n_calls, 5)
    plain = torch.zeros(11, 5)
    for position, slot in enumerate(plan.slots.tolist()):
        token, choice = divmod(slot, 2)
        plain[token] += routing.gates[token, choice] * outputs[position]
    torch.testing.assert_close(combine(outputs, plan, routing.gates), plain)
