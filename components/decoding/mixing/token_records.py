"""What a search keeps of every token that it takes: how a record is laid out, and what it says.

Letters in shapes: M members, T tokens of one sequence, W numbers of a record.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from components.decoding.candidates import MemberScores
from components.decoding.mixing.gate_features import distribution_features
from components.decoding.tokens.topk import topk


class TokenRecords(NamedTuple):
    """The layout of the records of an ensemble's tokens.

    Attributes:
        members: M, whose log-probabilities come first.
        weights: those of the members; None: a gate gives each token others, which come next.
        keeps_statistics: whether entropy and margin of the distribution come last.
    """

    members: int
    weights: tuple[float, ...] | None
    keeps_statistics: bool

    @property
    def width(self) -> int:
        """Numbers W of a record."""
        return self.members * (1 if self.weights is not None else 2) + N_STATISTICS * self.keeps_statistics

    def statistics(self, records: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Read records (T, W) of one sequence: entropies and margins of its tokens; empty: not kept."""
        if not self.keeps_statistics:
            return (), ()
        entropies, margins = records[:, -N_STATISTICS:].T.tolist()
        return tuple(entropies), tuple(margins)

    def member_scores(self, records: Tensor) -> tuple[MemberScores, MemberScores]:
        """Records (T, W) of one sequence -> every member's log-probabilities, and its weights."""
        n = self.members
        log_probs = [
            tuple(None if math.isnan(value) else value for value in column)
            for column in records[:, :n].T.tolist()
        ]
        if self.weights is not None:
            return tuple(log_probs), tuple((weight,) * len(records) for weight in self.weights)
        return tuple(log_probs), tuple(map(tuple, records[:, n : 2 * n].T.tolist()))


N_STATISTICS = 2
"""Entropy and margin, in this order."""
MAX_MARGIN = 200.0
"""Margins are clamped to this (nats): where one token only is allowed, there is no next."""


def token_statistics(log_probs: Tensor) -> Tensor:
    """Return statistics (2, R) of distributions (R, V), given as log-probabilities up to a constant per row.

    Entropy: Fomicheva et al. 2020; margin: Scheffer et al. 2001.

    Returns:
        The entropy in nats, and the highest log-probability minus the next one.
    """
    entropy = distribution_features(log_probs)[:, 1].clamp(min=0)
    first, second = topk(log_probs, 2)[0].unbind(dim=-1)
    return torch.stack([entropy, (first - second).clamp(max=MAX_MARGIN)])
