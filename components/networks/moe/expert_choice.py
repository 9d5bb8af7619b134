"""Expert choice (Zhou et al., 2022): each expert takes the tokens that fit it best, so loads are even.

    S = softmax(X W_g)  (over experts),   expert e takes the k tokens of largest S[:, e],   k = ceil(c n / E)

with n tokens and c experts for a token on average; some tokens get more, some none. The n tokens are those of
one sentence, not of a batch as in the paper: what a sentence becomes must not depend on its neighbors. A
choice among all tokens of a sentence looks ahead, so a decoder cannot have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from components.networks.moe.router import Router, Routing


class ExpertChoiceRouter(Router):
    """A :class:`Router` whose experts choose; ``k`` is c, the experts of a token on average."""

    needs_lengths = True

    def choose(self, logits: Tensor, lengths: Sequence[int] | None, available: int) -> Routing:
        """Let every expert take its tokens of each sentence; see :meth:`Router.choose`."""
        return choose_tokens(logits, self.k, [len(logits)] if lengths is None else lengths)


def choose_tokens(logits: Tensor, capacity: int, lengths: Sequence[int]) -> Routing:
    """Give the k = ceil(c n / E) best tokens of each sentence of n to every expert.

    Args:
        logits: of the router (T, E).
        capacity: c, experts of a token on average.
        lengths: tokens of each sentence, without padding; they sum to T.

    Returns:
        A routing over all E experts for each token: a gate of zero where an expert did not take it.
    """
    n_experts, device = logits.shape[-1], logits.device
    scores = logits.softmax(-1)
    sizes = torch.tensor(lengths, device=device)
    sentences = torch.arange(len(sizes), device=device).repeat_interleave(sizes)
    positions = torch.arange(len(logits), device=device) - (sizes.cumsum(0) - sizes)[sentences]
    padded = scores.new_full((len(sizes), max(lengths, default=0), n_experts), -1.0)
    padded[sentences, positions] = scores.detach()
    order = padded.argsort(dim=1, descending=True, stable=True)  # of equal tokens the first
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=device)[None, :, None].expand_as(order)
    )
    limits = torch.tensor([min(n, math.ceil(capacity * n / n_experts)) for n in lengths], device=device)
    is_taken = ranks[sentences, positions] < limits[sentences, None]
    experts = torch.arange(n_experts, device=device).expand(len(logits), -1)
    return Routing(logits, experts, scores * is_taken, is_partial=True)
