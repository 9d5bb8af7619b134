"""Losses that keep all experts in use and the router's logits small. Each is of one layer, in float32.

Tokens that are padding must not be in the :class:`Routing`; the layer leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor

from components.errors import ConfigError
from components.networks.moe.router import Routing

Balance = Literal["switch", "shazeer", "none"]


def z_loss(routing: Routing) -> Tensor:
    """Return the mean squared log-partition of the logits (ST-MoE, Zoph et al., 2022, equation 5)."""
    logits = routing.logits if routing.clean_logits is None else routing.clean_logits
    return logits.float().logsumexp(-1).square().mean()


def switch_loss(routing: Routing) -> Tensor:
    """Return E x sum over experts of (share of token slots) x (mean probability); 1 where both are even.

    Switch Transformer (Fedus et al., 2021, equations 4 to 6); the shares sum to 1 over the k choices
    (transformers' ``load_balancing_loss_func`` gives k times this for one layer).
    """
    share = routing.counts.float() / routing.experts.numel()
    return routing.n_experts * (share * routing.probabilities.mean(0)).sum()


def squared_coefficient_of_variation(values: Tensor) -> Tensor:
    """Return the variance (unbiased) over squared mean of ``values`` (E); 0 for one expert."""
    if values.numel() == 1:
        return values.new_zeros(())
    return values.float().var() / (values.float().mean().square() + 1e-10)


def importance_loss(routing: Routing) -> Tensor:
    """Return CV^2 of the experts' summed gates (Shazeer et al., 2017, equations 6 and 7)."""
    total = routing.gates.new_zeros(routing.n_experts)
    return squared_coefficient_of_variation(
        total.index_add(0, routing.experts.flatten(), routing.gates.flatten())
    )


def load_loss(routing: Routing) -> Tensor:
    """Return CV^2 of a smooth count of each expert's tokens (Shazeer et al., 2017, appendix A).

    An expert's count is the sum of its probabilities of being chosen if only its own noise were drawn again.

    Raises:
        ConfigError: for a router without noise, or with k = E, where every expert is always chosen.
    """
    if routing.clean_logits is None or routing.noise_scale is None:
        raise ConfigError(
            "balance_loss: expected noisy gating for the load loss, found none; set noisy_gating, or switch"
        )
    k = routing.experts.shape[-1]
    if k >= routing.n_experts:
        raise ConfigError(
            f"balance_loss: expected top_k below {routing.n_experts} for the load loss, found {k}"
        )
    best_logits = routing.logits.topk(k + 1, -1).values
    is_selected = routing.logits >= best_logits[:, k - 1 : k]
    # To be among the k best an expert must beat the k-th best of the others.
    threshold = torch.where(is_selected, best_logits[:, k : k + 1], best_logits[:, k - 1 : k])
    z = (routing.clean_logits - threshold) / routing.noise_scale.clamp_min(1e-6)
    return squared_coefficient_of_variation(torch.special.ndtr(z).sum(0))


def shazeer_loss(routing: Routing) -> Tensor:
    """Return the importance and load with equal weights, as in the paper; importance alone without noise."""
    noisy = routing.noise_scale is not None and routing.experts.shape[-1] < routing.n_experts
    return importance_loss(routing) + load_loss(routing) if noisy else importance_loss(routing)


BALANCE_LOSSES: dict[Balance, Callable[[Routing], Tensor]] = {
    "switch": switch_loss,
    "shazeer": shazeer_loss,
    "none": lambda routing: routing.logits.new_zeros(()),
}
"""Load-balancing losses by the names that the setting ``balance_loss`` has."""


def total_loss(routings: Iterable[Routing], balance: Balance, weight: float, z_weight: float) -> Tensor:
    """Sum weight x balance loss + z_weight x z-loss over the layers; one without tokens adds 0.

    Where experts choose their tokens, loads are even, and there is nothing to balance.
    """
    losses = [
        weight * BALANCE_LOSSES["none" if routing.is_partial else balance](routing)
        + z_weight * z_loss(routing)
        for routing in routings
        if len(routing.logits)
    ]
    return torch.stack(losses).sum() if losses else torch.zeros(())
