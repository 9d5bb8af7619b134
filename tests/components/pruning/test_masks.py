"""N:M against a plain loop, shares over a whole model, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from components.errors import ConfigError
from components.pruning.config import PruneSettings, expected_speed
from components.pruning.masks import mask_by_magnitude, masks_together
from components.pruning.prune import Shares, find_layers, mask_layers


@pytest.mark.parametrize(
    ("pattern", "kept", "of"), [("1:4", 1, 4), ("2:4", 2, 4), ("4:8", 4, 8), ("2:3", 2, 3)]
)
def test_n_of_every_m_are_the_largest(pattern: str, kept: int, of: int) -> None:
    weight = torch.randn(5, 24)
    mask = mask_by_magnitude(weight, pattern)
    for row in range(5):
        for start in range(0, 24, of):
            group = weight[row, start : start + of].abs().tolist()
            expected = sorted(range(of), key=lambda i: -group[i])[:kept]
            assert {i for i in range(of) if mask[row, start + i]} == set(expected)


def test_over_a_whole_model_the_smallest_go_wherever_they_are() -> None:
    large, small = torch.full((2, 4), 3.0), torch.arange(1.0, 9.0).view(2, 4) / 10
    first, second = masks_together([large, small], "single", 0.75)
    assert first.all()
    assert second.flatten().tolist() == [False] * 4 + [True] * 4


def test_layers_keep_their_own_share() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    layers = find_layers(net, "single")
    zeros = mask_layers(layers, Shares("single", 0.5, {"1": 0.25}))
    shares = [float((layer.weight != 0).float().mean()) for layer in layers.values()]
    assert shares == [0.5, 0.25]
    assert zeros == pytest.approx(0.625)
    with pytest.raises(ConfigError, match="expected parts of the names of layers such as 0, found 'decoder'"):
        mask_layers(layers, Shares("single", 0.5, {"decoder": 0.25}))


@pytest.mark.parametrize("pattern", ["4:2", "2:2", "diagonal", "0:4", ""])
def test_there_is_no_such_pattern(pattern: str) -> None:
    with pytest.raises(ConfigError, match="pattern: expected single, block or N:M with N below M"):
        mask_by_magnitude(torch.randn(8, 8), pattern)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pattern": "2:4"}, "2:4: no product is faster on a CPU; in half precision on CUDA"),
        ({"pattern": "1:4"}, "1:4: no product is faster on a CPU"),
        ({"keep": 0.5}, "no product is faster"),
        ({"keep": 0.1}, "layers with a tenth of their weights or less may be faster"),
        ({"keep_by_layer": {"fc1": 0.05}}, "may be faster on a CPU"),
        ({"keep": 0.1, "sparse_products": False}, "no product is faster"),
        ({"keep": 0.5, "scope": "model"}, "may be faster on a CPU"),
    ],
)
def test_what_becomes_faster_is_said_before(settings: dict[str, object], message: str) -> None:
    assert message in expected_speed(PruneSettings.model_validate({"model": "m", **settings}))
