"""The sparse layer against a plain loop and against transformers' Mixtral, outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

from components.compute.layers.packed_linear import can_pack, prepack
from components.errors import ConfigError
from components.kernels.grouped_mm import grouped_mm
from components.networks.moe import feedforward, grouped_experts, moe_block
from components.networks.moe.dispatch import Dispatch, dispatch
from components.networks.moe.grouped_experts import GroupedExperts
from components.networks.moe.grouped_ffn import LARGE_BYTES
from components.networks.moe.moe_block import MoEBlock, record_routing
from components.networks.moe.router import Router, Routing

WIDTH, INNER = 16, 24


def block(n_experts: int = 4, k: int = 2, **options: object) -> MoEBlock:
    torch.manual_seed(0)
    built = MoEBlock(Router(WIDTH, n_experts, k), GroupedExperts(n_experts, WIDTH, INNER, **options))  # type: ignore[arg-type]
    for parameter in built.parameters():
        nn.init.normal_(parameter, std=0.3)
    return built


def plain_loop(layer: MoEBlock, x: Tensor) -> Tensor:
    """Token by token, expert by expert."""
    experts, k = layer.experts, layer.router.k
    act = {"silu": functional.silu, "relu": functional.relu, "gelu": functional.gelu}[experts.activation]
    outputs = []
    for token in x.reshape(-1, x.shape[-1]):
        gates = (layer.router.weight @ token).softmax(-1)
        best = gates.topk(k)
        total = torch.zeros_like(token)
        for gate, e in zip(best.values / best.values.sum(), best.indices.tolist(), strict=True):
            inner = experts.up[e] @ token
            if experts.up_bias is not None:
                inner = inner + experts.up_bias[e]
            hidden = act(inner[:INNER]) * inner[INNER:] if experts.gated else act(inner)
            out = experts.down[e] @ hidden
            total = total + gate * (out if experts.down_bias is None else out + experts.down_bias[e])
        outputs.append(total)
    return torch.stack(outputs).view(x.shape)


def gradients(layer: nn.Module, x: Tensor, call) -> list[Tensor]:
    layer.zero_grad()
    x = x.clone().requires_grad_()
    out = call(x)
    (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
    assert x.grad is not None
    return [out.detach(), x.grad, *(p.grad.clone() for p in layer.parameters() if p.grad is not None)]


CASES = {
    "gated": ({"gated": True}, 2, (3, 5)),
    "biases": ({"bias": True}, 2, (3, 5)),
    "relu": ({"activation": "relu", "bias": True}, 2, (3, 5)),
    "gelu": ({"activation": "gelu", "gated": True}, 2, (3, 5)),
    "one token": ({"gated": True}, 2, (1,)),
    "k = 1": ({"gated": True}, 1, (7,)),
    "k = 3": ({"bias": True}, 3, (7,)),
    "k = E": ({"gated": True}, 4, (7,)),
}


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_of_a_plain_loop(case: str) -> None:
    options, k, shape = CASES[case]
    layer = block(k=k, **options)
    x = torch.randn(*shape, WIDTH)
    for ours, theirs in zip(
        gradients(layer, x, layer), gradients(layer, x, lambda t: plain_loop(layer, t)), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def by(product: feedforward.GroupedProduct) -> Callable[..., Tensor]:
    return lambda x, weights, plan, *form: feedforward.feed_forward_grouped(x, weights, plan, form, product)


DEVICE_WAYS = {
    "batched": feedforward.feed_forward_batched,
    "torch": by(lambda rows, weight, ends: functional.grouped_mm(rows, weight, offs=ends)),
    "triton's operator": by(grouped_mm),
}
DEVICE_CASES = {
    "gated": ({"gated": True}, None),
    "biases": ({"bias": True}, None),
    "gated with a capacity": ({"gated": True}, 0.6),
    "biases with a capacity": ({"activation": "gelu", "bias": True}, 0.6),
}


@pytest.mark.parametrize("case", DEVICE_CASES)
@pytest.mark.parametrize("way", DEVICE_WAYS)
def test_what_runs_off_the_cpu_gives_the_outputs_and_gradients_of_the_loop(
    monkeypatch: pytest.MonkeyPatch, case: str, way: str
) -> None:
    options, capacity = DEVICE_CASES[case]
    layer = block(k=2, **options)
    layer.capacity = capacity
    x = torch.randn(11, WIDTH)
    expected = gradients(layer, x, layer)
    monkeypatch.setattr(moe_block, "dispatch", sentinel_dispatch)
    monkeypatch.setattr(grouped_experts, "expert_feedforward", DEVICE_WAYS[way])
    for ours, theirs in zip(gradients(layer, x, layer), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


def sentinel_dispatch(routing: Routing, capacity: float | None) -> Dispatch:
    """The plan as it is off the CPU: dropped slots are those of expert E."""
    plan = dispatch(routing, capacity)
    slots = torch.arange(routing.experts.numel())
    rest = slots[~torch.isin(slots, plan.slots)]
    slots = torch.cat([plan.slots, rest])
    experts = torch.cat([plan.experts, torch.full_like(rest, routing.n_experts)])
    return Dispatch(slots, slots // routing.experts.shape[1], plan.counts, experts, plan.drops)


def test_all_tokens_to_one_expert_and_experts_without_tokens() -> None:
    layer = block(k=1, gated=True)
    x = torch.randn(6, WIDTH)
    x[:, 0] = 100.0
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.weight[2, 0] = 1.0
    with record_routing(layer, lambda name: None) as seen:
        result = gradients(layer, x, layer)
    assert seen[0].plan.tokens_per_expert == [0, 0, 6, 0]
    for ours, theirs in zip(result, gradients(layer, x, lambda t: plain_loop(layer, t)), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    up = layer.experts.up.grad  # type: ignore[union-attr]
    assert up[[0, 1, 3]].abs().sum() == 0  # type: ignore[index]
    layer.zero_grad()
    layer(x).sum().backward()
    once = layer.experts.up.grad.clone()  # type: ignore[union-attr, operator]
    layer(x).sum().backward()  # a second pass adds to what the first one has written
    torch.testing.assert_close(layer.experts.up.grad, 2 * once)  # type: ignore[union-attr]


def test_large_gradients_use_their_memory_again_and_only_when_nothing_refers_to_it() -> None:
    experts = GroupedExperts(5, 256, 512, gated=True)
    up = experts.up

    def passed(sizes: list[int]) -> Tensor:
        slots = torch.arange(sum(sizes))
        plan = Dispatch(slots, slots, torch.tensor(sizes), slots)
        experts(torch.randn(len(slots), 256, dtype=up.dtype), plan).sum().backward()
        assert [bool(item.any()) for item in up.grad] == [size > 0 for size in sizes]
        return up.grad

    first = passed([3, 3, 0, 0, 3])
    assert first.nbytes >= LARGE_BYTES
    remaining, position = first.clone(), first.data_ptr()
    part = first[0]  # shares the memory
    experts.zero_grad()
    del first
    assert passed([0, 0, 4, 0, 0]).data_ptr() != position
    torch.testing.assert_close(part, remaining[0], rtol=0, atol=0)
    experts.zero_grad()
    del part
    assert passed([0, 2, 0, 0, 0]).data_ptr() == position
    experts.zero_grad()
    experts.double()  # the same parameters, twice the bytes
    assert passed([1, 0, 0, 0, 0]).dtype == torch.float64


@pytest.mark.parametrize("tokens", [1, 13])
def test_the_same_as_mixtral(tokens: int) -> None:
    config = MixtralConfig(
        hidden_size=WIDTH, intermediate_size=INNER, num_local_experts=4, num_experts_per_tok=2
    )
    config._experts_implementation = "eager"
    theirs = MixtralSparseMoeBlock(config)
    ours = block(gated=True)
    with torch.no_grad():
        theirs.gate.weight.copy_(ours.router.weight)
        theirs.experts.gate_up_proj.copy_(ours.experts.up)
        theirs.experts.down_proj.copy_(ours.experts.down)
    x = torch.randn(1, tokens, WIDTH)
    for a, b in zip(gradients(ours, x, ours), gradients(theirs, x, theirs), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


def test_bfloat16_is_near_float32() -> None:
    layer = block(gated=True)
    x = torch.randn(20, WIDTH).bfloat16()
    expected = layer(x.float())
    layer.bfloat16()
    with torch.no_grad():
        layer.router.weight.copy_(layer.router.weight)  # the same routing needs the same rounded weights
    reference = layer.float()(x.float())
    torch.testing.assert_close(layer.bfloat16()(x).float(), reference, atol=0.06, rtol=0.06)
    assert expected.shape == reference.shape


def test_under_autocast_gradients_are_float32() -> None:
    layer = block(bias=True)
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.randn(9, WIDTH)).float().square().sum().backward()
    assert {p.grad.dtype for p in layer.parameters() if p.grad is not None} == {torch.float32}


@pytest.mark.usefixtures("packed_layers")
@pytest.mark.parametrize("options", [{"gated": True}, {"bias": True}, {"activation": "relu"}])
@pytest.mark.parametrize("tokens", [1, 7, 40])
def test_prepacked_is_the_same(options: dict[str, object], tokens: int) -> None:
    holder = nn.ModuleDict({"sparse": block(**options)}).eval()
    x = torch.randn(tokens, WIDTH)
    with torch.inference_mode():
        expected = holder["sparse"](x)
        assert prepack(holder) == 8
        torch.testing.assert_close(holder["sparse"](x), expected, atol=1e-5, rtol=1e-4)


def test_padding_is_not_routed_and_expert_calls_are_k_times_the_rest() -> None:
    layer = block(gated=True)
    x = torch.randn(2, 6, WIDTH)
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    with record_routing(layer, lambda name: mask) as seen:
        out = layer(x)
    assert seen[0].plan.n_calls == 2 * 8
    assert out[~mask].abs().sum() == 0
    torch.testing.assert_close(out[mask], layer(x)[mask], atol=1e-6, rtol=1e-5)
    assert layer.positions is None
    assert layer.recorder is None


def test_capacity_drops_in_training_only() -> None:
    layer = block(gated=True)
    layer.capacity = 0.5
    x = torch.randn(24, WIDTH)
    with record_routing(layer, lambda name: None) as seen:
        layer(x)
        layer.eval()(x)
    training, evaluation = (record.plan.n_calls for record in seen)
    assert training < evaluation == seen[1].routing.experts.numel()


def test_an_unknown_activation() -> None:
    with pytest.raises(ConfigError, match=r"activation: expected one of silu, .* found 'tanh'"):
        GroupedExperts(2, 4, 4, activation="tanh")


def test_experts_off_the_cpu_are_not_packed() -> None:
    layer = block().to("meta")
    assert prepack(layer, "float32") == 0
    assert isinstance(layer.experts, GroupedExperts)


def test_a_shared_expert_is_added_to_every_token() -> None:
    layer = block(bias=True)
    layer.shared = GroupedExperts(1, WIDTH, 2 * INNER, bias=True)
    for parameter in layer.shared.parameters():
        nn.init.normal_(parameter, std=0.3)
    shared, x = layer.shared, torch.randn(3, 5, WIDTH)

    def oracle(x: Tensor) -> Tensor:
        hidden = functional.silu(functional.linear(x, shared.up[0], shared.up_bias[0]))  # type: ignore[index]
        return plain_loop(layer, x) + functional.linear(hidden, shared.down[0], shared.down_bias[0])  # type: ignore[index]

    for ours, theirs in zip(gradients(layer, x, layer), gradients(layer, x, oracle), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)
    if can_pack():
        expected = layer.eval()(x)
        assert prepack(nn.ModuleList([layer])) == 10
        with torch.no_grad():
            torch.testing.assert_close(layer(x), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_capacity_for_every_token_is_dropless_exactly(k: int) -> None:
    layer, x = block(k=k, gated=True).train(), torch.randn(3, 5, WIDTH)
    dropless = gradients(layer, x, layer)
    layer.capacity = 4 / k  # of E experts each could take every token
    with record_routing(layer, lambda name: None) as seen:
        bounded = gradients(layer, x, layer)
    assert seen[0].plan.n_calls == k * 15
    for ours, theirs in zip(bounded, dropless, strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)
