"""Experts for inference on a CPU: each one's weights laid out once for the matrix units.

Batched decoding gives an expert a handful of tokens per step, where a product with a plain matrix spends most
of its time laying the matrix out (see :mod:`components.decoding.prepack`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from components.decoding.prepack import PackedLinear
from components.experts.dispatch import Dispatch
from components.experts.layer import Experts
from components.kernels import Arithmetic

_NAMES = {"swish": "silu"}


class PackedExperts(nn.Module):
    """The same outputs as :class:`components.experts.layer.Experts`; no gradients, and cannot be saved."""

    def __init__(self, experts: Experts, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.width = experts.width
        activation = _NAMES.get(experts.activation, experts.activation)
        self.ups = _packed(experts.up, experts.up_bias, arithmetic, activation, experts.gated)
        self.downs = _packed(experts.down, experts.down_bias, arithmetic)

    def forward(self, x: Tensor, plan: Dispatch) -> Tensor:
        """Tokens (T, D) -> the experts' outputs (S, D), in the order of ``plan``."""
        blocks = x.index_select(0, plan.tokens).split(plan.sizes)  # type: ignore[no-untyped-call]
        outputs = [self.downs[e](self.ups[e](block)) for e, block in enumerate(blocks) if len(block)]
        return torch.cat(outputs) if outputs else x.new_zeros(0, self.width)


def _packed(
    weight: Tensor, bias: Tensor | None, arithmetic: Arithmetic, activation: Any = "none", gated: bool = False
) -> list[PackedLinear]:
    biases = [None] * len(weight) if bias is None else bias.detach()
    each = zip(weight.detach(), biases, strict=True)
    return [PackedLinear(w, b, arithmetic, activation, gated) for w, b in each]
