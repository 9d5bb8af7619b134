"""Experts for inference on a CPU: the weights of each are packed once for the matrix units.

Batched decoding gives an expert a handful of tokens per step, where a product with a plain matrix spends most
of its time packing it (see :mod:`components.compute.layers.packed_linear`).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from components.compute.layers.kernels import Activation, Arithmetic, require_kernels
from components.networks.moe.dispatch import Dispatch
from components.networks.moe.grouped_experts import GroupedExperts

_KERNEL_ACTIVATIONS: dict[str, Activation] = {"silu": "silu", "swish": "silu", "relu": "relu", "gelu": "gelu"}


class PackedExperts(nn.Module):
    """Experts with packed weights: same outputs, no gradients, cannot be saved.

    Args:
        experts: the experts whose weights are packed.
        arithmetic: arithmetic of the products.
    """

    def __init__(self, experts: GroupedExperts, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.width, self.inner = experts.width, experts.inner
        activation = _KERNEL_ACTIVATIONS[experts.activation]
        ups, downs = (
            _weights_and_biases(experts.up, experts.up_bias),
            _weights_and_biases(experts.down, experts.down_bias),
        )
        pack = require_kernels().pack
        self.ups = [pack(weight, bias, arithmetic, activation, experts.gated) for weight, bias in ups]
        self.downs = [pack(weight, bias, arithmetic) for weight, bias in downs]

    def forward(self, x: Tensor, plan: Dispatch) -> Tensor:
        """Compute the experts' outputs (S, D) for tokens (T, D), in the order of ``plan``."""
        rows = x.index_select(0, plan.tokens)
        # One for all experts: it stays in the cache.
        inner = torch.empty(max(plan.tokens_per_expert), self.inner)
        outputs, start = torch.empty(len(rows), self.width), 0
        for up, down, size in zip(self.ups, self.downs, plan.tokens_per_expert, strict=True):
            if size:
                part = slice(start, start + size)
                down(up(rows[part], inner[:size]), outputs[part])
            start += size
        return outputs.to(x.dtype)


def _weights_and_biases(weight: Tensor, bias: Tensor | None) -> Iterable[tuple[Tensor, Tensor | None]]:
    return zip(weight, [None] * len(weight) if bias is None else bias, strict=True)
