from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN

from components.compute.layers.fused_mlp import fuse_mlp
from components.compute.layers.packed_linear import PackedLinear


class Block(nn.Module):
    """A feed-forward block as transformers' BART family has it."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(24, 40), nn.Linear(40, 24)
        self.activation_fn = ACT2FN[activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.activation_fn(self.fc1(x)))  # type: ignore[no-any-return]


@pytest.mark.usefixtures("packed_layers")
@pytest.mark.parametrize(
    ("activation", "n"), [("relu", 1), ("swish", 1), ("silu", 1), ("gelu", 1), ("gelu_new", 0)]
)
@torch.no_grad()
def test_the_same_block(activation: str, n: int) -> None:
    torch.manual_seed(0)
    block, x = Block(activation), torch.randn(5, 24)
    fused = nn.ModuleList([copy.deepcopy(block)])
    assert fuse_mlp(fused) == n
    assert isinstance(fused[0].fc1, PackedLinear) == bool(n)
    torch.testing.assert_close(fused[0](x), block(x), rtol=1e-5, atol=1e-5)
    assert fuse_mlp(fused) == 0, "the second call finds nothing to do"


def test_blocks_without_an_activation_are_left() -> None:
    block = Block("relu")
    del block.activation_fn
    assert fuse_mlp(nn.ModuleList([block, nn.Linear(3, 3)])) == 0
