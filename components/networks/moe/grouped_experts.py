"""The experts of a sparse layer: E feed-forward blocks of equal shape, their weights stacked."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from components.errors import ConfigError
from components.networks.moe.activations import ACTIVATIONS
from components.networks.moe.dispatch import Dispatch
from components.networks.moe.feedforward import ExpertWeights, expert_feedforward


class GroupedExperts(nn.Module):
    """E feed-forward networks of equal shape, stacked.

    Plain: ``down(act(up(x)))`` with ``up`` (E, F, D) and ``down`` (E, D, F). Gated (Llama, Mixtral):
    ``down(act(gate(x)) * up(x))`` with ``up`` (E, 2F, D) holding gate, then up, as transformers'
    ``gate_up_proj``.

    Args:
        n_experts: E.
        width: D, the model's width.
        inner: F, the width inside each expert.
        activation: a name in :data:`~components.networks.moe.activations.ACTIVATIONS`.
        gated: whether the experts are gated.
        bias: whether both maps have a bias.

    Raises:
        ConfigError: for an unknown activation.
    """

    def __init__(
        self,
        n_experts: int,
        width: int,
        inner: int,
        *,
        activation: str = "silu",
        gated: bool = False,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise ConfigError(f"activation: expected one of {names} in an expert, found {activation!r}")
        self.n_experts, self.width, self.inner = n_experts, width, inner
        self.activation, self.gated = activation, gated
        rows = 2 * inner if gated else inner
        self.up = nn.Parameter(torch.empty(n_experts, rows, width).normal_(std=0.02))
        self.down = nn.Parameter(torch.empty(n_experts, width, inner).normal_(std=0.02))
        self.up_bias = nn.Parameter(torch.zeros(n_experts, rows)) if bias else None
        self.down_bias = nn.Parameter(torch.zeros(n_experts, width)) if bias else None

    def forward(self, x: Tensor, plan: Dispatch) -> Tensor:
        """Compute the experts' outputs (S, D) for tokens (T, D), in the order of ``plan``."""
        weights = ExpertWeights(self.up, self.down, self.up_bias, self.down_bias)
        return expert_feedforward(x[plan.tokens], weights, plan, self.activation, self.gated)

    def extra_repr(self) -> str:
        """Return what ``print(model)`` shows."""
        gated = ", gated" if self.gated else ""
        return f"{self.n_experts} x ({self.width} -> {self.inner} -> {self.width}), {self.activation}{gated}"
