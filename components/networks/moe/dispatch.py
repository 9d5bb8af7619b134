"""Dispatch of tokens to experts and back: sorted by expert, so that each expert sees one contiguous block.

Dropless: every token reaches all its k experts, whatever the load. With a capacity, an expert takes its first
tokens (in order of position, first choices before second ones: GShard, Lepikhin et al., 2020) and drops the
rest, whose share is reported. Off the CPU the host is told nothing of it: how many tokens an expert has, and
which are dropped, stays on the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from components.networks.moe.router import Routing


@dataclass(frozen=True)
class Dispatch:
    """S = k x T (token, expert) slots sorted by expert.

    Dropped slots are left out on the CPU. Elsewhere that would be to wait for their number, so they stand at
    the end, as slots of an expert E that there is not.

    Attributes:
        slots: indices (S) into the flattened (T, k) choices of the routing.
        tokens: the token of each slot (S), which is slots // k.
        counts: the number of slots of each expert (E), int64, without those that are dropped.
        experts: the expert of each slot (S), E where it is dropped.
        drops: whether slots may be dropped.
    """

    slots: Tensor
    tokens: Tensor
    counts: Tensor
    experts: Tensor
    drops: bool = False

    @cached_property
    def tokens_per_expert(self) -> list[int]:
        """The number of slots of each expert, on the host, which waits for it."""
        return self.counts.tolist()

    @property
    def n_calls(self) -> int:
        """How many tokens the experts compute in all: k x T if none is dropped."""
        return sum(self.tokens_per_expert)

    def computed_slots(self) -> Tensor | None:
        """Return which slots (S, 1) an expert computes; None: all."""
        return (self.experts < len(self.counts))[:, None] if self.drops else None


def dispatch(routing: Routing, capacity: float | None = None) -> Dispatch:
    """Sort the slots of a routing by expert.

    Args:
        routing: the router's choices.
        capacity: bounds each expert's slots at ceil(capacity x k x T / E); None drops nothing, nor is
            anything dropped where experts choose.
    """
    k = routing.experts.shape[-1]
    chosen = routing.experts.flatten()
    counts = routing.counts
    if routing.is_partial:
        return _sort_taken(routing, routing.gates.flatten() != 0, counts)
    if capacity is None:
        experts, slots = chosen.sort(stable=True)
        return Dispatch(slots, slots // k, counts, experts)
    limit = math.ceil(capacity * chosen.numel() / routing.n_experts)
    # First choices of all tokens, then second ones: a column at a time.
    order = torch.arange(chosen.numel(), device=chosen.device).view(-1, k).T.flatten()
    experts, by_expert = chosen[order].sort(stable=True)
    order = order[by_expert]
    starts = (counts.cumsum(0) - counts)[experts]
    is_taken = torch.empty(len(order), dtype=torch.bool, device=chosen.device)
    is_taken[order] = torch.arange(len(order), device=chosen.device) - starts < limit
    return _sort_taken(routing, is_taken, counts.clamp(max=limit))


def _sort_taken(routing: Routing, is_taken: Tensor, counts: Tensor) -> Dispatch:
    """Sort the slots that are taken, bool (k T), by expert, and by position within it.

    So a capacity that has room for every token changes no bit of the outputs and gradients.
    """
    chosen = routing.experts.flatten()
    experts, slots = torch.where(is_taken, chosen, routing.n_experts).sort(stable=True)
    if chosen.device.type == "cpu":
        taken = int(is_taken.sum())
        experts, slots = experts[:taken], slots[:taken]
    return Dispatch(slots, slots // routing.experts.shape[-1], counts, experts, drops=True)


def one_for_all(tokens: int, device: torch.device) -> Dispatch:
    """Dispatch every token to the only expert."""
    slots = torch.arange(tokens, device=device)
    counts = torch.full((1,), tokens, device=device)
    return Dispatch(slots, slots, counts, torch.zeros_like(slots))


def combine(outputs: Tensor, plan: Dispatch, gates: Tensor) -> Tensor:
    """Sum gate x output over each token's experts.

    Without drops this is one pass over the outputs: nothing is multiplied, permuted or added in memory of its
    own.

    Args:
        outputs: the experts' outputs (S, D) in the order of ``plan``, zeros where none has computed a slot.
        plan: the dispatch.
        gates: the router's gates (T, k).

    Returns:
        The tokens' outputs (T, D) in the type of ``outputs``.
    """
    gates = gates.to(outputs.dtype)
    if len(plan.slots) == gates.numel() > 0:
        row_of_slot = torch.empty_like(plan.slots)
        row_of_slot[plan.slots] = torch.arange(len(plan.slots), device=outputs.device)
        return functional.embedding_bag(
            row_of_slot.view(gates.shape), outputs, mode="sum", per_sample_weights=gates
        )
    weighted = outputs * gates.flatten()[plan.slots][:, None]
    return outputs.new_zeros(len(gates), outputs.shape[-1]).index_add(0, plan.tokens, weighted)
