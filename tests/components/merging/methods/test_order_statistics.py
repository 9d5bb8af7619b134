"""Order statistics by counting, against a sort."""

from __future__ import annotations

import pytest
import torch

from components.merging.methods.order_statistics import OrderStatistics


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_ranks_are_those_of_a_sort(dtype: torch.dtype) -> None:
    """Numbers of both signs, many of them equal, in three pieces."""
    numbers = torch.randn(501, generator=torch.Generator().manual_seed(0)).mul(4).to(dtype)
    numbers[::7] = numbers[3]
    numbers[1::9] = 0
    ranks = [0, 125, 250, 250, 499, 500]
    statistics = OrderStatistics(ranks, dtype)
    for number in range(statistics.passes):
        statistics.begin_pass(number)
        for piece in numbers.split(200):
            statistics.measure(number, piece)
    assert torch.equal(statistics.values(), numbers.sort().values[ranks])
