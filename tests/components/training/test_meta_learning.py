"""Meta-gradients against finite differences and hand-written derivatives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from components.training import meta_learning
from components.training.config import TrainingConfig
from components.training.examples.batches import Batch, Example, collate
from components.training.loop import cross_entropy
from components.training.marian_model import build_marian


def by_differences(value: Callable[[], Tensor], weight: Tensor, places: list[int]) -> list[float]:
    """Central differences of a scalar with respect to some elements of a weight."""
    flat, result, step = weight.data.view(-1), [], 1e-5
    for position in places:
        remaining = flat[position].item()
        sides = []
        for sign in (1, -1):
            flat[position] = remaining + sign * step
            sides.append(value().item())
        flat[position] = remaining
        result.append((sides[0] - sides[1]) / (2 * step))
    return result


@pytest.fixture(scope="module")
def marian() -> tuple[nn.Module, list[Batch]]:
    """A Transformer in float64 without dropout, and three batches."""
    config = TrainingConfig(
        vocab_size=64, num_layers=1, d_model=8, ffn_dim=8, num_heads=2, dropout=0.0, seed=3
    )
    model: nn.Module = build_marian(config, 64)
    model.set_attn_implementation("eager")  # type: ignore[operator]
    model.double().train()
    for module in model.modules():
        if isinstance(module, nn.Embedding):  # torch withholds the gradient of the padding's row
            module.padding_idx = None
    pairs = [((5, 6, 0), (9, 0)), ((7, 0), (10, 11, 0)), ((8, 9, 0), (12, 13, 0)), ((6, 0), (9, 14, 0))]
    batches = [collate([Example(*pairs[i]), Example(*pairs[(i + 1) % 4])], 63) for i in range(3)]
    return model, batches


def nats(model: nn.Module, batch: Batch) -> Tensor:
    """The training loss, kept in float64 so that differences mean something."""
    hidden = model.model(  # type: ignore[operator]
        input_ids=batch.source, attention_mask=batch.mask, decoder_input_ids=batch.inputs, use_cache=False
    ).last_hidden_state
    real = batch.labels != -100
    return nn.functional.cross_entropy(model.lm_head(hidden[real]), batch.labels[real])  # type: ignore[operator]


def test_second_order_is_the_derivative_and_first_order_is_not(marian: tuple[nn.Module, list[Batch]]) -> None:
    model, (item, two, query) = marian
    loss, weights, rate = (
        meta_learning.functional_loss(model, nats),
        meta_learning.trainable_weights(model),
        0.3,
    )
    names = ["model.shared.weight", "model.decoder.layers.0.fc1.weight", "model.encoder.layers.0.fc2.bias"]

    def through() -> Tensor:
        return meta_learning.METHODS["maml"](loss, weights, [item, two], query, rate)

    exact = torch.autograd.grad(through(), [weights[name] for name in names])
    rough = torch.autograd.grad(
        meta_learning.METHODS["first-order"](loss, weights, [item, two], query, rate),
        [weights[n] for n in names],
    )
    for name, gradient, approximate in zip(names, exact, rough, strict=True):
        positions = gradient.abs().flatten().topk(4).indices.tolist()
        expected = by_differences(through, weights[name], positions)
        assert gradient.flatten()[positions].tolist() == pytest.approx(expected, rel=1e-5), name
        assert approximate.flatten()[positions].tolist() != pytest.approx(expected, rel=1e-3), name


def test_first_order_is_the_gradient_at_the_moved_weights(marian: tuple[nn.Module, list[Batch]]) -> None:
    model, (item, _, query) = marian
    loss, weights = meta_learning.functional_loss(model, nats), meta_learning.trainable_weights(model)
    value = meta_learning.METHODS["first-order"](loss, weights, [item], query, 0.3)
    result = torch.autograd.grad(value, list(weights.values()), allow_unused=True)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    model.zero_grad()
    nats(model, item).backward()
    with torch.no_grad():
        for weight in weights.values():
            weight -= 0.3 * (weight.grad if weight.grad is not None else 0.0)
    model.zero_grad()
    there = nats(model, query)
    expected = torch.autograd.grad(there, list(weights.values()), allow_unused=True)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(before[name])
    model.zero_grad(set_to_none=True)
    assert value.item() == pytest.approx(there.item(), rel=1e-12)
    for ours, theirs in zip(result, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            torch.testing.assert_close(ours, theirs)


def test_reptile_pulls_towards_the_moved_weights(marian: tuple[nn.Module, list[Batch]]) -> None:
    model, (item, two, query) = marian
    loss, weights, rate = (
        meta_learning.functional_loss(model, nats),
        meta_learning.trainable_weights(model),
        0.1,
    )
    value = meta_learning.METHODS["reptile"](loss, weights, [item, two], query, rate)
    result = torch.autograd.grad(value, list(weights.values()))
    moved = meta_learning.adapt(loss, weights, [item, two, query], rate, graph=False)
    for gradient, (name, weight) in zip(result, weights.items(), strict=True):
        torch.testing.assert_close(gradient, (weight - moved[name]) / rate)
    near = meta_learning.adapt(loss, weights, [item, two], rate, graph=False)
    assert value.item() == pytest.approx(loss(near, query).item())


@pytest.mark.parametrize("method", meta_learning.METHODS)
def test_what_is_left_behind_is_the_gradient_alone(
    method: str, marian: tuple[nn.Module, list[Batch]]
) -> None:
    model, (item, _, query) = marian
    before = [p.detach().clone() for p in model.parameters()]

    def loss(module: nn.Module, batch: Batch) -> Tensor:
        return cross_entropy.label_smoothing_loss(module, batch, 0.1)[0]

    meta_learning.METHODS[method](
        meta_learning.functional_loss(model, loss), meta_learning.trainable_weights(model), [item], query, 0.1
    ).backward()  # type: ignore[no-untyped-call]
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    model.zero_grad(set_to_none=True)


def test_support_and_query_are_disjoint_and_cover_the_batch() -> None:
    task_of = [0, 1, 0, 0, 1, 0, 2, 1, 0, 1]
    parts = meta_learning.split_episode([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], task_of, 3)
    assert parts == {0: [[8, 2], [5, 0], [3]], 1: [[9, 1], [7], [4]]}  # task 2 has one row: left out
    seen = [row for lists in parts.values() for rows in lists for row in rows]
    assert sorted(seen) == [0, 1, 2, 3, 4, 5, 7, 8, 9]
