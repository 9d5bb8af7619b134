"""Experts for inference on a CPU: each one's weights laid out once for the matrix units.

Batched decoding gives an expert a handful of tokens per step, where a product with a plain matrix spends most
of its time laying the matrix out (see :mod:`components.decoding.prepack`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.decoding.prepack import Activation, Arithmetic, PackedLinear
from components.experts.dispatch import Dispatch
from components.experts.layer import Experts

ACTIVATIONS: dict[str, Activation] = {"silu": "silu", "swish": "silu", "relu": "relu", "gelu": "gelu"}


class PackedExperts(nn.Module):
    """The same outputs as :class:`components.experts.layer.Experts`; no gradients, and cannot be saved."""

    def __init__(self, experts: Experts, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.width, self.n_experts = experts.width, experts.n_experts
        act = ACTIVATIONS[experts.activation]
        ups = _per_expert(experts.up, experts.up_bias)
        self.gates: list[PackedLinear] = []
        if experts.gated:
            half = experts.inner
            self.gates = [PackedLinear(w[:half], _part(b, None, half), arithmetic, act) for w, b in ups]
            ups, act = [(w[half:], _part(b, half, None)) for w, b in ups], "none"
        self.ups = [PackedLinear(w, b, arithmetic, act) for w, b in ups]
        self.downs = [PackedLinear(w, b, arithmetic) for w, b in _per_expert(experts.down, experts.down_bias)]

    def forward(self, x: Tensor, plan: Dispatch) -> Tensor:
        """Tokens (T, D) -> the experts' outputs (S, D), in the order of ``plan``."""
        blocks = x[plan.tokens].split(plan.sizes)  # type: ignore[no-untyped-call]
        outputs = [self.downs[e](self._inner(e, block)) for e, block in enumerate(blocks) if len(block)]
        return torch.cat(outputs) if outputs else x.new_zeros(0, self.width)

    def _inner(self, expert: int, block: Tensor) -> Tensor:
        up: Tensor = self.ups[expert](block)
        return up.mul_(self.gates[expert](block)) if self.gates else up


def _per_expert(weight: Tensor, bias: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    return [(w.detach(), None if bias is None else bias[e].detach()) for e, w in enumerate(weight)]


def _part(bias: Tensor | None, start: int | None, stop: int | None) -> Tensor | None:
    return None if bias is None else bias[start:stop]
