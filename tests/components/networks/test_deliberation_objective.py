"""The Monte-Carlo estimate against exact enumeration, its gradient against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from components.networks.deliberation import DeliberationNetwork
from components.networks.deliberation_objective import pad_drafts, rewards_minus_baseline, surrogate_objective
from tests.components.networks.tiny_networks import deliberation

SOURCE, MASK = torch.tensor([[2, 1, 0]]), torch.tensor([[1, 1, 1]])
LABELS = torch.tensor([[1, 2, 0]])
VOCABULARY = 4  # eos 0, two words, pad 3


def drafts() -> list[tuple[int, ...]]:
    """Every draft of at most two tokens: the first pass is cut there."""
    words = range(VOCABULARY)
    return [(0,), *itertools.product((word for word in words if word), words)]


def tiny() -> DeliberationNetwork:
    return deliberation(vocabulary=VOCABULARY, layers=1).double()


def parts(network: DeliberationNetwork, rows: list[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
    """log P2 of the labels given each draft, and log P1 of each draft: (N,), (N,)."""
    tokens, real = pad_drafts([[row] for row in rows], VOCABULARY - 1)
    encoded, mask = network.encode(SOURCE, MASK).expand(len(rows), -1, -1), MASK.bool().expand(len(rows), -1)
    draft = network.read_draft(encoded, mask, tokens, real)
    labels = LABELS.expand(len(rows), -1)
    served, _ = network.log_probs(network.second_states(encoded, mask, draft, labels), labels, labels >= 0)
    return served, draft.log_probs


def objective(network: DeliberationNetwork) -> Tensor:
    """E over drafts of log P2, by enumeration."""
    served, drafted = parts(network, drafts())
    return (drafted.exp() * served).sum()


def gradient(value: Tensor, network: DeliberationNetwork) -> list[Tensor]:
    weights = [w for w in network.parameters() if w.requires_grad]
    result = torch.autograd.grad(value, weights, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, result, strict=True)]


def test_drafts_are_all_there_are() -> None:
    _, drafted = parts(tiny(), drafts())
    assert float(drafted.detach().exp().sum()) == pytest.approx(1.0)


def test_the_exact_gradient_is_that_of_finite_differences() -> None:
    network = tiny()
    exact = gradient(objective(network), network)
    weights = [w for w in network.parameters() if w.requires_grad]
    draw = torch.Generator().manual_seed(1)
    for _ in range(3):
        directions = [torch.randn(w.shape, generator=draw, dtype=w.dtype) for w in weights]
        directions[0][VOCABULARY - 1] = 0.0  # the start's embedding, which torch does not train as an input
        slope = sum(float((g * d).sum()) for g, d in zip(exact, directions, strict=True))
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                for w, d in zip(weights, directions, strict=True):
                    w.add_(step * d)
                values.append(float(objective(network)))
                for w, d in zip(weights, directions, strict=True):
                    w.sub_(step * d)
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


@pytest.mark.parametrize("samples", [1, 2])
def test_the_estimate_is_right_on_average(samples: int) -> None:
    """Every tuple of drafts, weighted by its chance, against the gradient of the enumerated objective."""
    network = tiny()
    exact = gradient(objective(network), network)
    every = drafts()
    total = [torch.zeros_like(g) for g in exact]
    for selection in itertools.combinations_with_replacement(range(len(every)), samples):
        served, drafted = parts(network, [every[i] for i in selection])
        ways = len(set(itertools.permutations(selection)))  # their order changes nothing
        chance = ways * float(drafted.detach().sum().exp())
        for sum_, item in zip(
            total, gradient(surrogate_objective(served[None], drafted[None]), network), strict=True
        ):
            sum_ += chance * item
    for ours, theirs in zip(total, exact, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_advantages_by_hand() -> None:
    assert rewards_minus_baseline(torch.tensor([[1.0, 2.0, 6.0]])).tolist() == [[-3.0, -1.5, 4.5]]
    assert rewards_minus_baseline(torch.tensor([[2.0]])).tolist() == [[2.0]]
