"""From the members' log-probabilities to one distribution.

A :class:`Combiner` says which members have to be run at all and mixes what they gave. One member is the
default; interpolation with learned or context-dependent coefficients implements the same protocol.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from components.errors import ConfigError


class Combiner(Protocol):
    """Mixes members' log-probabilities."""

    def active(self, n_members: int) -> Sequence[int]:
        """Indices of the members to run, in order; the others are never called. ConfigError if unfit."""
        ...

    def __call__(self, log_probs: Sequence[Tensor]) -> Tensor:
        """Log-probabilities (R, V) of the mixture of the active members'; it may return one of them."""
        ...


class Single:
    """Exactly one member, unchanged."""

    def active(self, n_members: int) -> Sequence[int]:
        """The only member."""
        if n_members != 1:
            raise ConfigError(f"expected a combiner for {n_members} members, found none: pass combine=...")
        return (0,)

    def __call__(self, log_probs: Sequence[Tensor]) -> Tensor:
        """The member's own log-probabilities."""
        return log_probs[0]


class Mixture:
    """Linear interpolation with fixed weights: log sum_m w_m p_m. Members of weight 0 are not run."""

    def __init__(self, weights: Sequence[float]) -> None:
        if any(not math.isfinite(w) or w < 0 for w in weights) or abs(sum(weights) - 1) > 1e-6:
            raise ConfigError(f"expected weights of at least 0 that sum to 1, found {tuple(weights)}")
        self.weights = tuple(weights)

    def active(self, n_members: int) -> Sequence[int]:
        """Members of positive weight."""
        if n_members != len(self.weights):
            raise ConfigError(f"expected {n_members} weights, one per member, found {len(self.weights)}")
        return tuple(m for m, weight in enumerate(self.weights) if weight > 0)

    def __call__(self, log_probs: Sequence[Tensor]) -> Tensor:
        """Log of the weighted sum of probabilities."""
        if len(log_probs) == 1:
            return log_probs[0]
        shift = torch.tensor([math.log(w) for w in self.weights if w > 0]).to(log_probs[0].device)
        return torch.logsumexp(torch.stack(list(log_probs)) + shift[:, None, None], dim=0)
