"""The interface of combiners, which mix the scores of several members into one distribution.

Letters in shapes: M active members, A of them run at this step, R rows, V tokens, F features. The
combinations themselves are in :mod:`components.ensembling.token_level.combiners`.
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
    """The combined distribution of one step.

    Attributes:
        log_probs: combined log-probabilities (R, V); the caller may change them in place.
        log_normalizers: (A, R), what turns the members' scores into their own log-probabilities:
            ``scores[a] - log_normalizers[a][:, None]``.
    """

    log_probs: Tensor
    log_normalizers: Tensor


class Gate(Protocol):
    """A gating function: weights of the members that depend on the row and the position."""

    @property
    def lagged(self) -> bool:
        """Whether it looks only at what lies before the present position.

        The members that it gives no weight are then not run.
        """

    def __call__(self, features: Tensor, steps: Tensor) -> Tensor:
        """Weigh the members; rows must not influence each other.

        One that is not lagged may be recorded as a part of a CUDA graph: it asks the device for nothing.

        Args:
            features: (M, R, F), see :mod:`components.decoding.mixing.gate_features`.
            steps: number of generated tokens before the present one, of each row (R,), float32.

        Returns:
            Weights (M, R), at least 0, that sum to 1 over the members.
        """

    def fits(self, n_members: int) -> bool:
        """Return whether it was made for this number of members."""


class Combiner(Protocol):
    """Mixes the members' scores.

    Attributes:
        gate: gives the weights of every step; None where they are constant.
    """

    gate: Gate | None

    def active_members(self, n_members: int) -> Sequence[int]:
        """Return indices of the members to run, in order; the others are never called.

        Raises:
            ConfigError: It was made for another number of members.
        """

    def constant_weights(self) -> Tensor:
        """Return the weights (M,) of the active members; not called where there is a gate."""

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """Mix one step.

        Args:
            scores: of each member that was run, (R, V): log-probabilities up to a constant per row.
            weights: theirs, (A,) or (A, R).
            exact: compute in the log domain throughout; without it a token of probability below 1e-38 may
                come out as impossible.

        Returns:
            The combined distribution.
        """


class SingleScorer:
    """The combiner of a search with one scorer: its distribution, unchanged."""

    gate: Gate | None = None

    def active_members(self, n_members: int) -> Sequence[int]:
        """Return the only one; ConfigError where there are more."""
        if n_members != 1:
            raise ConfigError(f"expected a combiner for {n_members} scorers, found none: pass combiner=...")
        return (0,)

    def constant_weights(self) -> Tensor:
        """Weight 1."""
        return torch.ones(1)

    def __call__(self, scores: Sequence[Tensor], weights: Tensor, exact: bool = False) -> Mixture:
        """Its own log-probabilities."""
        return mixture_of_one(scores[0])


ALONE = SingleScorer()
"""One for all searches: steps that are recorded with a combiner are replayed for that very one."""


def mixture_of_one(scores: Tensor) -> Mixture:
    """Return scores (R, V) of one member as a :class:`Mixture`."""
    log_probs = torch.log_softmax(scores, dim=-1)
    return Mixture(log_probs, (scores.amax(dim=-1) - log_probs.amax(dim=-1))[None])
