"""Interpolation against plain loops over probabilities, the lecture's example, and its laws."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from components.ensembling.token_level.interpolation import (
    apply_negative_evidence,
    interpolate_linearly,
    interpolate_log_linearly,
    normalize,
)
from components.errors import ConfigError

pytestmark = pytest.mark.core

WORDS = ("bark", "run", "diet")
DOG, HEALTH = (0.5, 0.45, 0.05), (0.05, 0.35, 0.6)
"""What follows in a text about dogs, and in one about health: both know "run"."""


def random_log_probs(members: int, size: int, seed: int, rows: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(members, rows, size, generator=generator, dtype=torch.float64)
    return scores.log_softmax(-1)


def test_linear_is_or_and_log_linear_is_and() -> None:
    log_probs, half = torch.tensor([DOG, HEALTH]).log(), torch.tensor([0.5, 0.5])
    either = dict(zip(WORDS, interpolate_linearly(log_probs, half).exp().tolist(), strict=True))
    both = dict(zip(WORDS, interpolate_log_linearly(log_probs, half).exp().tolist(), strict=True))
    assert either == pytest.approx({"bark": 0.275, "run": 0.4, "diet": 0.325}, abs=1e-6)
    # sqrt(0.025), sqrt(0.1575), sqrt(0.03) over their sum, 0.728182
    assert both == pytest.approx({"bark": 0.217134, "run": 0.545005, "diet": 0.237857}, abs=1e-5)
    assert either["bark"] > both["bark"]  # one member's word is enough for OR
    assert both["run"] > either["run"]  # AND wants the word of both


def test_what_one_member_forbids_is_open_to_or_and_closed_to_and() -> None:
    log_probs, half = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]).log(), torch.tensor([0.5, 0.5])
    assert interpolate_linearly(log_probs, half).exp().tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert interpolate_log_linearly(log_probs, half).exp().tolist() == pytest.approx([1.0, 0.0, 0.0])
    never = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).log()
    assert interpolate_log_linearly(never, half).tolist() == [-math.inf, -math.inf]


def by_loop(kind: str, log_probs: Tensor, weights: Tensor) -> Tensor:
    """The definition, token by token, in probabilities."""
    rows = []
    for r in range(log_probs.shape[1]):
        values = []
        for v in range(log_probs.shape[2]):
            parts = [log_probs[m, r, v].exp() for m in range(log_probs.shape[0])]
            w = [weights[m, r] if weights.dim() > 1 else weights[m] for m in range(len(parts))]
            if kind == "linear":
                values.append(sum(a * p for a, p in zip(w, parts, strict=True)))
            else:
                values.append(math.prod((p**a for a, p in zip(w, parts, strict=True)), start=torch.tensor(1)))
        total = sum(values) if kind == "log_linear" else 1.0
        rows.append(torch.stack([(value / total).log() for value in values]))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", ["linear", "log_linear"])
@pytest.mark.parametrize("per_row", [False, True])
def test_values_and_gradients_are_those_of_plain_loops(kind: str, per_row: bool) -> None:
    function = {"linear": interpolate_linearly, "log_linear": interpolate_log_linearly}[kind]
    grads = []
    for mix in (function, lambda p, w: by_loop(kind, p, w)):
        log_probs = random_log_probs(3, 5, 1).requires_grad_()
        weights = torch.tensor([[0.2, 0.1], [0.8, 0.3], [0.0, 0.6]], dtype=torch.float64)
        weights = (weights if per_row else weights[:, 0].clone()).requires_grad_()
        result = mix(log_probs, weights)
        direction = torch.arange(10, dtype=torch.float64).reshape(2, 5).cos()
        grads.append((result, *torch.autograd.grad((result * direction).sum(), [log_probs, weights])))
    for ours, oracle in zip(*grads, strict=True):
        torch.testing.assert_close(ours, oracle)


@given(seed=st.integers(0, 9999), members=st.integers(1, 4), size=st.integers(1, 9), forbidden=st.booleans())
@settings(max_examples=60)
def test_laws(seed: int, members: int, size: int, forbidden: bool) -> None:
    log_probs = random_log_probs(members, size, seed)
    if forbidden and size > 1:
        log_probs[:, :, 0] = -torch.inf
        log_probs = log_probs.log_softmax(-1)
    weights = torch.rand(members, generator=torch.Generator().manual_seed(seed)).double().softmax(0)
    order = torch.randperm(members, generator=torch.Generator().manual_seed(seed))
    for mix in (interpolate_linearly, interpolate_log_linearly):
        mixed = mix(log_probs, weights)
        torch.testing.assert_close(mixed.exp().sum(-1), torch.ones(2, dtype=torch.float64))
        torch.testing.assert_close(mix(log_probs[order], weights[order]), mixed)
        torch.testing.assert_close(mix(log_probs[:1].expand(members, -1, -1), weights), log_probs[0])
        first = torch.zeros(members, dtype=torch.float64).index_fill(0, torch.tensor(0), 1.0)
        torch.testing.assert_close(mix(log_probs, first), log_probs[0])
        rows = weights[:, None].expand(-1, 2)
        torch.testing.assert_close(mix(log_probs, rows), mixed)


@pytest.mark.parametrize("mix", [interpolate_linearly, interpolate_log_linearly])
def test_weight_zero_and_probability_zero_make_no_nan(mix) -> None:  # type: ignore[no-untyped-def]
    log_probs = torch.tensor([[0.6, 0.4, 0.0], [0.0, 0.0, 1.0]]).log().requires_grad_()
    weights = torch.tensor([1.0, 0.0], requires_grad=True)
    mixed = mix(log_probs, weights)
    assert mixed.exp().tolist() == pytest.approx([0.6, 0.4, 0.0])
    torch.autograd.backward(mixed[:2].sum())
    assert not log_probs.grad.isnan().any()
    assert not weights.grad.isnan().any()


def test_half_precision_is_summed_in_float32() -> None:
    log_probs = random_log_probs(2, 50, 3).half()
    mixed = interpolate_linearly(log_probs, torch.tensor([0.5, 0.5]))
    assert mixed.dtype == torch.float32
    assert float(mixed[0].exp().sum()) == pytest.approx(
        float(log_probs[:, 0].float().exp().sum() / 2), abs=1e-6
    )


def test_a_likely_token_of_a_member_that_does_not_count_is_no_overflow() -> None:
    log_probs = torch.tensor([[-400.0, -300.0], [-1.0, -2.0]])
    mixed = interpolate_linearly(log_probs, torch.tensor([1.0, 0.0]))
    assert mixed.tolist() == pytest.approx([-400.0, -300.0])
    assert normalize(torch.tensor([-300.0, -500.0])).tolist() == [0.0, -200.0]


@given(seed=st.integers(0, 9999), strength=st.floats(0, 3))
@settings(max_examples=40)
def test_negative_evidence_is_its_formula(seed: int, strength: float) -> None:
    core, positive, negative = random_log_probs(3, 6, seed).unbind()
    product = core.exp() * (positive.exp() / negative.exp()) ** strength
    expected = product / product.sum(-1, keepdim=True)
    torch.testing.assert_close(apply_negative_evidence(core, positive, negative, strength).exp(), expected)
    torch.testing.assert_close(apply_negative_evidence(core, positive, negative, 0.0), core)
    torch.testing.assert_close(apply_negative_evidence(core, positive, positive, strength), core)
    torch.testing.assert_close(
        apply_negative_evidence(core, positive, negative, strength),
        interpolate_log_linearly(
            torch.stack([core, positive, negative]), core.new_tensor([1.0, strength, -strength])
        ),
    )


def test_the_filter_acts_before_or_after_the_mixing() -> None:
    core = torch.tensor([0.6, 0.35, 0.05]).log()
    positive, negative = torch.tensor([0.1, 0.1, 0.8]).log(), torch.tensor([0.8, 0.1, 0.1]).log()
    # Unfiltered: 0.6/8 : 0.35 : 0.05*8 = 0.075 : 0.35 : 0.4
    free = apply_negative_evidence(core, positive, negative, 1.0).exp()
    assert free.tolist() == pytest.approx([0.0909091, 0.4242424, 0.4848485], abs=1e-6)
    before = apply_negative_evidence(core, positive, negative, 1.0, plausibility=0.5, filter="before").exp()
    assert before.tolist() == pytest.approx([0.075 / 0.425, 0.35 / 0.425, 0.0], abs=1e-6)
    after = apply_negative_evidence(core, positive, negative, 1.0, plausibility=0.5, filter="after").exp()
    assert after.tolist() == pytest.approx([0.0, 0.35 / 0.75, 0.4 / 0.75], abs=1e-6)
    everything = apply_negative_evidence(core, positive, negative, 1.0, plausibility=0.0, filter="before")
    torch.testing.assert_close(everything.exp(), free)


def test_forbidden_tokens_in_negative_evidence() -> None:
    core = torch.tensor([0.5, 0.3, 0.2, 0.0]).log()
    positive, negative = torch.tensor([0.5, 0.5, 0.0, 0.0]).log(), torch.tensor([0.0, 0.5, 0.5, 0.0]).log()
    mixed = apply_negative_evidence(core, positive, negative, 2.0).exp()
    assert mixed.tolist() == pytest.approx([0.5 / 0.8, 0.3 / 0.8, 0.0, 0.0])
    torch.testing.assert_close(apply_negative_evidence(core, positive, negative, 0.0), core)


def test_a_row_of_forbidden_tokens_stays_forbidden() -> None:
    assert normalize(torch.full((2,), -torch.inf)).tolist() == [-math.inf, -math.inf]


def test_what_does_not_fit_is_refused() -> None:
    log_probs = random_log_probs(2, 4, 0)
    with pytest.raises(ConfigError, match=r"one weight per member, found weights of shape \(3,\)"):
        interpolate_linearly(log_probs, torch.ones(3))
    with pytest.raises(ConfigError, match=r"weights of shape \(2, 2\), found \(2, 7\)"):
        interpolate_log_linearly(log_probs, torch.ones(2, 7))
    with pytest.raises(ConfigError, match="strength of at least 0, found -1"):
        apply_negative_evidence(log_probs[0], log_probs[0], log_probs[1], -1.0)
    with pytest.raises(ConfigError, match="plausibility from 0 to 1"):
        apply_negative_evidence(log_probs[0], log_probs[0], log_probs[1], 1.0, plausibility=2.0)
    with pytest.raises(ConfigError, match='"before" or "after"'):
        apply_negative_evidence(log_probs[0], log_probs[0], log_probs[1], 1.0, filter="both")  # type: ignore[arg-type]
