"""Dispatch of tokens to experts and back: sorted by expert, so that each expert sees one contiguous block.

Dropless: every token reaches all its k experts, whatever the load. With a capacity, an expert takes its first
tokens (in order of position, first choices before second ones: GShard, Lepikhin et al., 2020) and drops the
rest, whose share is reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from components.networks.moe.router import Routing


@dataclass(frozen=True)
class Dispatch:
    """S = k x T (token, expert) slots, fewer where some are dropped, sorted by expert.

    Attributes:
        slots: indices (S) into the flattened (T, k) choices of the routing.
        tokens: the token of each slot (S), which is slots // k.
        tokens_per_expert: the number of slots of each expert, E of them.
        dropped: share of the k x T slots that are left out.
    """

    slots: Tensor
    tokens: Tensor
    tokens_per_expert: list[int]
    dropped: float = 0.0

    @property
    def n_calls(self) -> int:
        """How many tokens the experts compute in all: k x T if none is dropped."""
        return len(self.slots)


def dispatch(routing: Routing, capacity: float | None = None) -> Dispatch:
    """Sort the slots of a routing by expert.

    Args:
        routing: the router's choices.
        capacity: bounds each expert's slots at ceil(capacity x k x T / E); None drops nothing.
    """
    k = routing.experts.shape[-1]
    expert_of_slot = routing.experts.flatten()
    counts = routing.counts
    if capacity is None:
        slots = expert_of_slot.argsort(stable=True)
        return Dispatch(slots, slots // k, counts.tolist())
    limit = math.ceil(capacity * expert_of_slot.numel() / routing.n_experts)
    # First choices of all tokens, then second ones: a column at a time.
    order = torch.arange(expert_of_slot.numel(), device=expert_of_slot.device).view(-1, k).T.flatten()
    order = order[expert_of_slot[order].argsort(stable=True)]
    starts = (counts.cumsum(0) - counts)[expert_of_slot[order]]
    rank_in_expert = torch.arange(len(order), device=expert_of_slot.device) - starts
    kept_slots = order[rank_in_expert < limit]
    dropped = (len(order) - len(kept_slots)) / max(1, len(order))  # of no slots none is dropped
    return Dispatch(kept_slots, kept_slots // k, counts.clamp(max=limit).tolist(), dropped)


def combine(outputs: Tensor, plan: Dispatch, gates: Tensor) -> Tensor:
    """Sum gate x output over each token's experts.

    Without drops this is one pass over the outputs: nothing is multiplied, permuted or added in memory of its
    own.

    Args:
        outputs: the experts' outputs (S, D) in the order of ``plan``.
        plan: the dispatch.
        gates: the router's gates (T, k).

    Returns:
        The tokens' outputs (T, D) in the type of ``outputs``.
    """
    gates = gates.to(outputs.dtype)
    if plan.n_calls == gates.numel() > 0:
        row_of_slot = torch.empty_like(plan.slots)
        row_of_slot[plan.slots] = torch.arange(plan.n_calls, device=outputs.device)
        return functional.embedding_bag(
            row_of_slot.view(gates.shape), outputs, mode="sum", per_sample_weights=gates
        )
    weighted = outputs * gates.flatten()[plan.slots][:, None]
    return outputs.new_zeros(len(gates), outputs.shape[-1]).index_add(0, plan.tokens, weighted)
