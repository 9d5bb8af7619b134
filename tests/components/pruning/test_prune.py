"""Patterns against plain loops, sparse products against dense ones, and the check of the quality."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional

from components.errors import ConfigError
from components.pruning.masks import mask_by_magnitude
from components.pruning.prune import Shares, find_layers, mask_layers, measure_layouts
from components.pruning.sparse_linear import SparseLinear


def test_blocks_and_singles_by_magnitude() -> None:
    weight = torch.randn(64, 96) * 0.1
    weight[32:, :32] += 1.0
    weight[:32, 64:] += 2.0
    remaining = mask_by_magnitude(weight, "block", 2 / 6)
    expected = torch.zeros(64, 96).bool()
    expected[32:, :32] = expected[:32, 64:] = True
    assert remaining.equal(expected)
    single = mask_by_magnitude(weight, "single", 0.25)
    assert single.sum() == 64 * 96 // 4
    assert weight[single].abs().min() >= weight[~single].abs().max()


@pytest.mark.parametrize(("layout", "pattern"), [("bsr", "block"), ("csr", "single"), ("dense", "2:4")])
def test_products_without_the_zeros_are_the_same(layout, pattern) -> None:
    weight = torch.randn(64, 96)
    weight = weight * mask_by_magnitude(weight, pattern, 0.2)
    bias, x = torch.randn(64), torch.randn(2, 3, 96)
    result = SparseLinear(weight, bias, layout)(x)
    torch.testing.assert_close(result, functional.linear(x, weight, bias), atol=1e-4, rtol=1e-4)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.Linear(32, 3))


def test_layouts_are_measured_where_the_kernels_run(caplog: pytest.LogCaptureFixture) -> None:
    layers = find_layers(model(), "2:4")
    assert mask_layers(layers, Shares("2:4")) == pytest.approx(0.5)
    with caplog.at_level(logging.WARNING):
        layouts = measure_layouts(layers, "2:4", rows=4)
    assert len(layouts) == 3
    if not torch.cuda.is_available():
        assert {layout for layout, _ in layouts.values()} == {"dense"}
        assert "2:4 kernels are not used: they need a CUDA device" in caplog.text


def test_block_pruning_leaves_other_shapes_alone() -> None:
    net = model()
    layers = find_layers(net, "block")
    assert list(layers) == ["0", "2"]  # 3 outputs are no multiple of 32
    mask_layers(layers, Shares("block", 0.25))
    for n, dense in zip((0, 2), (model()[0], model()[2]), strict=True):
        assert net[n].weight.equal(dense.weight * mask_by_magnitude(dense.weight, "block", 0.25))  # type: ignore[operator]


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="pattern block: expected a weight of multiples"):
        mask_by_magnitude(torch.randn(40, 64), "block")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="2:4 kernels: they need a CUDA device"):
            SparseLinear(torch.randn(32, 32), None, "semi-structured")
