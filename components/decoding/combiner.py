"""From the members' scores to one distribution: what a search asks of a combiner, and a combiner for one.

The combinations themselves are in :mod:`components.ensembling.token_level.combiners`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from components.errors import ConfigError


@dataclass(frozen=True)
class Mixture:
    """One step of M members on R rows, mixed.

    ``log_probs`` (R, V) belong to the caller, who may change them; ``normalisers`` (M, R) are what turns each
    member's scores into its log-probabilities: ``scores[m] - normalisers[m][:, None]``.
    """

    log_probs: Tensor
    log_normalizers: Tensor


class Gate(Protocol):
    """Context-dependent weights.

    ``lagged`` gates look at what lies before the present position only, so that members they give nothing are
    not run. ``features`` (M, R, F) are those of :mod:`components.decoding.gate_features`; ``step`` counts the free
    tokens before the present one. Rows must not influence each other.
    """

    @property
    def lagged(self) -> bool:
        """Whether it decides before the members are run."""
        ...

    def __call__(self, features: Tensor, step: int) -> Tensor:
        """Weights (M, R), at least 0, summing to 1 over the M members."""
        ...

    def fits(self, n_members: int) -> bool:
        """Whether it was made for this number of members."""
        ...


class Combiner(Protocol):
    """Mixes members' scores. ``gate`` gives the weights of every step; None where they are constants."""

    gate: Gate | None

    def active_members(self, n_members: int) -> Sequence[int]:
        """Indices of the members to run, in order; the others are never called. ConfigError if unfit."""
        ...

    def constant_weights(self) -> Tensor:
        """The weights of the active members (A,); a combiner with a gate is not asked."""
        ...

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """Mix scores (R, V) of the members that were run, with their ``weights`` (A,) or (A, R).

        Scores are log-probabilities up to a constant per row. ``exact`` asks for the log domain throughout;
        without it a token of probability below 1e-38 may come out as impossible.
        """
        ...


class SingleScorer:
    """Exactly one member, unchanged."""

    gate: Gate | None = None

    def active_members(self, n_members: int) -> Sequence[int]:
        """The only member."""
        if n_members != 1:
            raise ConfigError(f"expected a combiner for {n_members} members, found none: pass combine=...")
        return (0,)

    def constant_weights(self) -> Tensor:
        """One."""
        return torch.ones(1)

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """The member's own log-probabilities."""
        return mixture_of_one(scores[0])


def mixture_of_one(scores: Tensor) -> Mixture:
    """One member's scores (R, V) as a mixture of one."""
    log_probs = torch.log_softmax(scores, dim=-1)
    return Mixture(log_probs, (scores.amax(dim=-1) - log_probs.amax(dim=-1))[None])
