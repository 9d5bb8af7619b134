"""Experts taken out of the router's choice, against a plain loop over the layer and the laws of shares."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from components.experts.contribution import measure_contributions, reference_log_likelihoods
from components.experts.reducing.masked_router import without_experts
from components.experts.upcycling import upcycle
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.moe_block import MoEBlock, moe_blocks
from components.networks.moe.router import Router
from tests.components.experts.test_routing_stats import SAMPLES, Tokenizer
from tests.components.experts.test_upcycling import marian


def block(n: int = 4, k: int = 2) -> MoEBlock:
    torch.manual_seed(0)
    built = MoEBlock(Router(6, n, k), GroupedExperts(n, 6, 5))
    for weight in built.parameters():
        torch.nn.init.normal_(weight)
    return built.eval()


def plain(layer: MoEBlock, x: torch.Tensor, gone: set[int]) -> torch.Tensor:
    """Every token by itself: softmax over the best of the experts that are left."""
    experts, act = layer.experts, functional.silu
    out = torch.zeros_like(x)
    for row, token in enumerate(x):
        logits = {e: float(layer.router.weight[e] @ token) for e in range(4) if e not in gone}
        best = sorted(logits, key=lambda e: -logits[e])[:2]
        gates = functional.softmax(torch.tensor([logits[e] for e in best]), -1) if best else []
        for gate, e in zip(gates, best, strict=True):
            out[row] += gate * (experts.down[e] @ act(experts.up[e] @ token))
    return out


@pytest.mark.parametrize("gone", [set(), {1}, {0, 3}, {0, 1, 3}, {0, 1, 2, 3}])
@torch.no_grad()
def test_tokens_go_to_the_next_best_expert(gone: set[int]) -> None:
    layer, x = block(), torch.randn(7, 6)
    before = layer(x)
    with without_experts(layer, gone):
        result = layer(x)
    assert torch.allclose(result, plain(layer, x, gone), atol=1e-5)
    assert torch.equal(layer(x), before)


def test_copies_share_alike_and_the_shares_sum_to_the_layer() -> None:
    model = upcycle([marian()], experts=3, top_k=2)  # three copies of one dense block
    tables = measure_contributions(model, Tokenizer(), SAMPLES)
    assert [item.title for item in tables] == list(moe_blocks(model))
    for item in tables:
        shares = [share.share.value for share in item.shares if share.share]
        assert sum(shares) == pytest.approx(item.score.value - item.nobody, abs=1e-6)
        assert shares == pytest.approx([shares[0]] * 3, abs=1e-6)
        assert [share.lost.value for share in item.shares if share.lost] == pytest.approx([0] * 3, abs=1e-6)


def test_an_expert_that_is_never_chosen_is_worth_nothing_and_eight_have_leave_one_out_only() -> None:
    model = upcycle([marian()], experts=8, top_k=1)
    for layer in moe_blocks(model).values():
        torch.nn.init.normal_(layer.experts.down, std=0.5)
    layer = next(iter(moe_blocks(model).values()))
    with torch.no_grad():
        layer.router.weight[5:] = -layer.router.weight[:3]  # one of the two is always ahead of zero
        layer.router.weight[4] = 0.0
    table = measure_contributions(model, Tokenizer(), SAMPLES)[0]
    assert all(item.share is None for item in table.shares)
    lost = [item.lost.value for item in table.shares if item.lost]
    assert lost[4] == pytest.approx(0, abs=1e-9)
    assert max(map(abs, lost)) > 1e-6


def test_the_likelihood_is_that_of_the_plain_model() -> None:
    model = upcycle([marian()], experts=2, top_k=1).eval()
    table = reference_log_likelihoods(model, Tokenizer(), SAMPLES, batch_size=2)
    for row, sample in zip(table, SAMPLES, strict=True):
        source = torch.tensor([[*map(int, sample.source.split()), 0]])
        target = torch.tensor([[*map(int, sample.target.split()), 0]])
        inputs = torch.cat([torch.tensor([[39]]), target[:, :-1]], 1)
        with torch.no_grad():
            logits = model(input_ids=source, decoder_input_ids=inputs).logits.log_softmax(-1)
        assert row[0] == pytest.approx(float(logits.gather(-1, target[..., None]).sum()), rel=1e-4)
        assert row[1] == target.shape[1]
