"""The router: which experts compute a token, and with which weights (gates).

    g(x) = softmax(top_k(f(x), k)),   f(x) = x W_g [+ noise * softplus(x W_noise)]

(Shazeer et al., 2017, equations 3 to 5; top_k sets all but the k largest to minus infinity.) Mixtral's order,
softmax, then top-k, then renormalize, gives the same gates: the softmax's normalizer cancels. All of it in
float32, also under autocast (ST-MoE, Zoph et al., 2022, section 3.4: bfloat16 logits make routing unstable).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from components.errors import ConfigError


@dataclass(frozen=True)
class Routing:
    """The routing of T tokens among E experts, in float32.

    Attributes:
        logits: router logits (T, E) as they were compared, with noise where there is any.
        experts: the k chosen experts of each token (T, k), int64, best first, each once.
        gates: their weights (T, k), positive; rows sum to 1, where tokens choose.
        clean_logits: logits (T, E) before the noise; None without noisy gating.
        noise_scale: standard deviation of the noise (T, E); None without noisy gating.
        is_partial: whether ``experts`` are all E in order, and those with a gate of zero do not compute a
            token.
    """

    logits: Tensor
    experts: Tensor
    gates: Tensor
    clean_logits: Tensor | None = None
    noise_scale: Tensor | None = None
    is_partial: bool = False

    @cached_property
    def probabilities(self) -> Tensor:
        """Softmax over all experts (T, E)."""
        return self.logits.softmax(-1)

    @property
    def n_experts(self) -> int:
        """E, the number of experts."""
        return self.logits.shape[-1]

    @property
    def counts(self) -> Tensor:
        """Tokens per expert (E) int64; they sum to k x T where tokens choose."""
        if self.is_partial:
            return (self.gates != 0).sum(0)
        chosen = self.experts.flatten()
        if chosen.device.type == "cpu":
            return torch.bincount(chosen, minlength=self.n_experts)
        every = torch.arange(self.n_experts, device=chosen.device)  # bincount would wait for the largest
        return (chosen[:, None] == every).sum(0)


def check_top_k(k: int, n_experts: int) -> None:
    """Raise ConfigError unless 1 <= k <= E."""
    if not 1 <= k <= n_experts:
        raise ConfigError(
            f"top_k: expected 1 to {n_experts} experts per token (the layer has {n_experts}), found {k}; "
            "lower top_k or add experts"
        )


def route(logits: Tensor, k: int) -> Routing:
    """Choose the k best experts of each token from logits (T, E); gates are the softmax over those k."""
    values, experts = logits.topk(k, -1)
    return Routing(logits, experts, values.softmax(-1))


class Router(nn.Module):
    """A linear map to E logits; ``weight`` (E, D), and ``noise_weight`` (E, D) where ``noisy``.

    Weights start at N(0, 0.02). Shazeer et al. start at zero and let the noise break ties; without noise,
    zeros would send every token to the same k experts.
    """

    needs_lengths = False
    """Whether the choice depends on which tokens are of one sentence."""

    def __init__(self, width: int, n_experts: int, k: int, *, noisy: bool = False) -> None:
        super().__init__()
        check_top_k(k, n_experts)
        self.k = k
        self.weight = nn.Parameter(torch.empty(n_experts, width).normal_(std=0.02))
        self.noise_weight = nn.Parameter(torch.zeros(n_experts, width)) if noisy else None

    def choose(self, logits: Tensor, lengths: Sequence[int] | None, available: int) -> Routing:
        """Choose the experts of each token.

        Args:
            logits: of T tokens (T, E).
            lengths: tokens of each sentence; None: all are of one.
            available: experts that have finite logits.
        """
        return route(logits, min(self.k, available))

    def forward(self, x: Tensor, lengths: Sequence[int] | None = None) -> Routing:
        """Route tokens (T, D), sentence after sentence. Noise is drawn in training mode only."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            clean_logits = functional.linear(x, self.weight.float())
            if self.noise_weight is None or not self.training:
                return self.choose(clean_logits, lengths, len(self.weight))
            noise_scale = functional.softplus(functional.linear(x, self.noise_weight.float()))
            noisy_logits = clean_logits + torch.randn_like(clean_logits) * noise_scale
            routing = self.choose(noisy_logits, lengths, len(self.weight))
            return replace(routing, clean_logits=clean_logits, noise_scale=noise_scale)

    def extra_repr(self) -> str:
        """Return what ``print(model)`` shows."""
        experts, width = self.weight.shape
        return f"{width} -> {self.k} of {experts}{', noisy' if self.noise_weight is not None else ''}"


class ExpertChoiceRouter(Router):
    """Expert choice (Zhou et al., 2022): each expert takes the tokens that fit it best, so loads are even.

        S = softmax(X W_g) (over experts),  expert e takes the k tokens of largest S[:, e],  k = ceil(c n / E)

    with n tokens and c experts for a token on average, the setting ``k``; some tokens get more, some none.
    The n tokens are those of one sentence, not of a batch as in the paper: what a sentence becomes must not
    depend on its neighbors. A choice among all tokens of a sentence looks ahead, so a decoder cannot have it.
    """

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
