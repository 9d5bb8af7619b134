"""Experts that choose their tokens against a plain loop; even loads; neighbors that do not matter."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from components.experts.config import ExpertsConfig
from components.experts.kinds.train_experts import TrainExperts
from components.experts.reducing.masked_router import without_experts
from components.experts.upcycling import upcycle_marian
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.load_balancing_loss import total_loss
from components.networks.moe.moe_block import MoEBlock, moe_blocks, record_routing
from components.networks.moe.router import ExpertChoiceRouter, choose_tokens
from components.nodes.node_context import NodeContext
from tests.components.experts.test_upcycling import marian
from tests.components.networks.moe.test_moe_block import gradients

WIDTH, EXPERTS = 8, 4


def block(capacity: int = 2) -> MoEBlock:
    torch.manual_seed(0)
    built = MoEBlock(
        ExpertChoiceRouter(WIDTH, EXPERTS, capacity), GroupedExperts(EXPERTS, WIDTH, 6, bias=True)
    )
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.4)
    return built


def plain_loop(layer: MoEBlock, x: Tensor, lengths: list[int]) -> Tensor:
    """Sentence by sentence, expert by expert: the k tokens of largest score; padding becomes zeros."""
    experts, rows = layer.experts, []
    for sentence, n in zip(x, lengths, strict=True):
        scores = (sentence[:n] @ layer.router.weight.T).softmax(-1)
        out: list[Tensor] = [torch.zeros(WIDTH) for _ in range(len(sentence))]
        for e in range(EXPERTS):
            k = min(n, math.ceil(layer.router.k * n / EXPERTS))
            for t in scores[:, e].argsort(descending=True)[:k].tolist():
                hidden = functional.silu(experts.up[e] @ sentence[t] + experts.up_bias[e])  # type: ignore[index]
                out[t] = out[t] + scores[t, e] * (experts.down[e] @ hidden + experts.down_bias[e])  # type: ignore[index]
        rows.append(torch.stack(out))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("capacity", "lengths"), [(2, [5, 5, 5]), (1, [5, 3, 1]), (3, [2, 5, 4]), (4, [5, 4, 5])]
)
def test_outputs_and_gradients_of_a_plain_loop(capacity: int, lengths: list[int]) -> None:
    layer, x = block(capacity), torch.randn(3, 5, WIDTH)
    layer.positions = (torch.arange(5) < torch.tensor(lengths)[:, None]).flatten().nonzero()[:, 0]
    for ours, theirs in zip(
        gradients(layer, x, layer), gradients(layer, x, lambda t: plain_loop(layer, t, lengths)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def test_every_expert_takes_as_many_and_equal_tokens_are_taken_in_order() -> None:
    routing = choose_tokens(torch.zeros(10, EXPERTS), 2, [6, 4])
    assert routing.counts.tolist() == [5] * EXPERTS  # ceil(2 * 6 / 4) + ceil(2 * 4 / 4)
    taken = (routing.gates != 0).all(-1).tolist()
    assert taken == [True, True, True, False, False, False, True, True, False, False]
    assert total_loss([routing], "switch", 1.0, 0.0) == 0


@torch.no_grad()
def test_a_sentence_becomes_the_same_alone_and_beside_longer_ones() -> None:
    model = upcycle_marian(
        [marian(0), marian(1)], num_local_experts=4, num_experts_per_tok=2, encoder_routing="expert_choice"
    ).eval()
    for name, layer in moe_blocks(model).items():
        assert isinstance(layer.router, ExpertChoiceRouter) == (".encoder." in name)
        nn.init.normal_(layer.router.weight)
    short, long = torch.tensor([[5, 9, 0]]), torch.tensor([[5, 9, 0, 39, 39], [7, 3, 8, 11, 0]])
    mask = (long != 39).long()
    encoder = model.get_encoder()
    alone = encoder(input_ids=short, attention_mask=torch.ones_like(short)).last_hidden_state[0]
    together = encoder(input_ids=long, attention_mask=mask).last_hidden_state[0, :3]
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder(input_ids=short).last_hidden_state[0], alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_an_expert_that_is_gone_takes_nothing() -> None:
    layer, x = block(), torch.randn(2, 6, WIDTH)
    with without_experts(layer, [1]), record_routing(layer, lambda name: None) as seen:
        layer(x)
    assert seen[0].routing.counts.tolist() == [6, 0, 6, 6]


def test_a_decoder_cannot_have_it_and_keys_are_as_before() -> None:
    values = {"data": "d", "dev": "v", "target_language": "de"}
    with pytest.raises(ValidationError, match="decoder_routing: expected token_choice, found expert_choice"):
        ExpertsConfig.model_validate({**values, "decoder_routing": "expert_choice"})
    kind, context = TrainExperts(), NodeContext("node")
    with pytest.raises(ValidationError, match="kind: expected translation, found language_model"):
        ExpertsConfig.model_validate({**values, "kind": "language_model"})
    new = {"num_shared_experts", "encoder_routing", "decoder_routing"}
    assert not new & kind.parameters(ExpertsConfig.model_validate(values), context).keys()
    settings = ExpertsConfig.model_validate({**values, "num_shared_experts": 1})
    assert kind.parameters(settings, context)["num_shared_experts"] == 1
