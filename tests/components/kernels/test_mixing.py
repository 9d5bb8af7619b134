"""The mixture in one operator, and its kernels in Triton (interpreted), against a sum of probabilities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from components.kernels.mixing import mix_linearly


def inputs(size: int, members: int = 3, rows: int = 2) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(size)
    scores = [4 * torch.randn(rows, size, generator=generator) + 50 * m for m in range(members)]
    scores[0][:, : size // 2] = -torch.inf  # forbidden by the first
    scores[1][0, 3] = scores[0][0, 3] = scores[2][0, 3] = -torch.inf  # by all
    return scores, torch.rand(members, rows, generator=generator)


def check(result: tuple[Tensor, Tensor], scores: list[Tensor], weights: Tensor) -> None:
    total = sum(w[:, None] * s.double().softmax(-1) for w, s in zip(weights, scores, strict=True))
    assert isinstance(total, Tensor)
    torch.testing.assert_close(result[0], total.log().float(), atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(
        result[1], torch.stack([s.logsumexp(-1) for s in scores]), atol=2e-5, rtol=1e-6
    )


def test_the_mixture_is_the_weighted_sum_of_probabilities() -> None:
    scores, weights = inputs(101)
    weights[1, 0] = 0  # a member that a gate leaves out for one row
    check(mix_linearly(scores, weights), scores, weights)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there they are compiled: cases of the gpu marker")
@pytest.mark.parametrize("size", [70, 9000])
def test_the_kernels_give_the_same(size: int) -> None:
    pytest.importorskip("triton")
    from components.kernels.triton_mixing import mix

    scores, weights = inputs(size)
    weights[1, 0] = 0
    check(mix(scores, weights), scores, weights)
    scores[2][1, 5] = torch.nan  # a broken model must not be hidden
    mixture, normalizers = mix(scores, weights)
    assert mixture[1].isnan().all() and normalizers[2, 1].isnan()
    assert not mixture[0].isnan().any()
