"""The combiners' fast paths against the log domain, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from components.decoding.combiner import Combiner, mixture_of_one
from components.ensembling.token_level.combiners import (
    COMBINATIONS,
    LinearInterpolation,
    LogLinearInterpolation,
    NegativeEvidence,
)
from components.errors import ConfigError


def scores_of(members: int, rows: int = 7, size: int = 5000, seed: int = 0) -> list[Tensor]:
    """Logits that are not normalized, each member's by another constant per row."""
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(members, rows, size, generator=generator)
    return list(logits + 5 * torch.randn(members, rows, 1, generator=generator))


CASES: list[Combiner] = [
    LinearInterpolation([0.2, 0.3, 0.5]),
    LogLinearInterpolation([0.5, 1.5, -0.25]),
    NegativeEvidence(0.7),
    NegativeEvidence(0.7, plausibility=0.1),
    NegativeEvidence(0.7, plausibility=0.1, filter="after"),
]


@pytest.mark.parametrize("combine", CASES)
@pytest.mark.parametrize("forbidden", [False, True])
def test_the_fast_path_is_the_log_domain(combine: Combiner, forbidden: bool) -> None:
    scores = scores_of(3)
    if forbidden:
        for each in scores:
            each[:, 17] = -torch.inf
    before = [each.clone() for each in scores]
    fast, slow = (
        combine(scores, combine.constant_weights()),
        combine(scores, combine.constant_weights(), exact=True),
    )
    torch.testing.assert_close(fast.log_probs.exp(), slow.log_probs.exp(), atol=1e-6, rtol=1e-4)
    likely = slow.log_probs > -60
    torch.testing.assert_close(fast.log_probs[likely], slow.log_probs[likely], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(fast.log_normalizers, slow.log_normalizers, atol=1e-4, rtol=1e-5)
    oracle = torch.stack([each.logsumexp(-1) for each in before])
    torch.testing.assert_close(fast.log_normalizers, oracle, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(fast.log_probs.logsumexp(-1), torch.zeros(7), atol=1e-5, rtol=0)
    for each, remaining in zip(scores, before, strict=True):
        assert torch.equal(each, remaining)


@pytest.mark.parametrize("combine", [LinearInterpolation([0.5, 0.5]), LogLinearInterpolation([0.5, 0.5])])
def test_weights_per_row(combine: Combiner) -> None:
    scores = scores_of(2)
    weights = torch.stack([torch.linspace(0, 1, 7), torch.linspace(1, 0, 7)])
    mixed = combine(scores, weights)
    for row in range(7):
        row_scores = combine([each[row : row + 1] for each in scores], weights[:, row], exact=True)
        torch.testing.assert_close(mixed.log_probs[row : row + 1], row_scores.log_probs, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(
        mixed.log_probs[-1], mixture_of_one(scores[0]).log_probs[-1], atol=1e-4, rtol=1e-5
    )


@pytest.mark.parametrize("shift", [-500.0, 500.0])
@pytest.mark.parametrize("combine", CASES[:3])
def test_scores_out_of_range_take_the_slow_path(combine: Combiner, shift: float) -> None:
    scores = scores_of(3)
    moved = combine([scores[0] + shift, *scores[1:]], combine.constant_weights())
    still = combine(scores, combine.constant_weights(), exact=True)
    torch.testing.assert_close(moved.log_probs, still.log_probs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("combine", CASES)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_nan_and_infinity_are_not_hidden(combine: Combiner, wrong: float) -> None:
    scores = scores_of(3)
    scores[1][3, 8] = wrong
    assert bool(combine(scores, combine.constant_weights()).log_probs[3].isnan().any())


def test_members_that_count_for_nothing_are_not_active() -> None:
    assert LinearInterpolation([0.0, 1.0, 0.0]).active_members(3) == (1,)
    assert LogLinearInterpolation([0.0, -1.0, 2.0]).active_members(3) == (1, 2)
    assert NegativeEvidence(0.0).active_members(3) == (0,)
    assert NegativeEvidence(0.5).constant_weights().tolist() == [1.0, 0.5, -0.5]


def test_the_table_of_combinations() -> None:
    assert {name: type(COMBINATIONS[name]([1.0])) for name in ("linear", "log_linear")} == {
        "linear": LinearInterpolation,
        "log_linear": LogLinearInterpolation,
    }
    assert isinstance(COMBINATIONS["negative_evidence"](0.5, plausibility=0.1), NegativeEvidence)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="sum to 1, found"):
        LinearInterpolation([0.5, 0.6])
    with pytest.raises(ConfigError, match="at least 0"):
        LinearInterpolation([1.5, -0.5])
    with pytest.raises(ConfigError, match="finite coefficients"):
        LogLinearInterpolation([math.nan])
    with pytest.raises(ConfigError, match="not all of them 0"):
        LogLinearInterpolation([0.0, 0.0])
    with pytest.raises(ConfigError, match="3 weights, one per member, found 2"):
        LogLinearInterpolation([0.5, 0.5]).active_members(3)
    with pytest.raises(ConfigError, match=r"three members \(core, positive, negative\), found 2"):
        NegativeEvidence(1.0).active_members(2)
