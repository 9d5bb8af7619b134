"""What each member of an ensemble contributes: leave-one-out and exact Shapley values over cached values.

``value(coalition)`` is any number that is better when larger: the development log-likelihood of the members'
mixture, minus the word error rate of their ROVER, BLEU. The Shapley value (Shapley 1953) is a member's mean
marginal gain over all orders of joining; with up to :data:`MAX_MEMBERS` members it is exact, from all
coalitions.

The values sum to v(everyone) - v(nobody), so what *nobody* is worth must be stated: for likelihoods it is the
uniform distribution over the vocabulary. Leave-one-out undercounts redundant members (of two copies both get
0), and coefficients are no importance where members correlate: hence :class:`MemberContribution` has all
three.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, log

import numpy as np
from numpy.typing import NDArray

from components.errors import ConfigError, DataError
from components.metrics.statistics.bootstrap import Interval, bootstrap_interval, resample_sums
from components.records import Record

Array = NDArray[np.float64]
Coalition = frozenset[str]
CoalitionValue = Callable[[Coalition], float]
MAX_MEMBERS = 6
"""Members at most: 64 coalitions."""


class MemberContribution(Record):
    """One member's part; ``alone`` is its value without the others. Intervals (95%) need 10 utterances."""

    member: str
    coefficient: float | None = None
    alone: float
    leave_one_out: float
    leave_one_out_interval: Interval | None
    shapley: float
    shapley_interval: Interval | None


def shapley_values(members: Sequence[str], value: CoalitionValue) -> dict[str, float]:
    """Return the exact Shapley value of each member; ``value`` is asked once per coalition.

    Raises :class:`ConfigError` for no members, doubled ones, or more than :data:`MAX_MEMBERS`.
    """
    columns = all_coalitions(members)
    values = np.array([value(coalition) for coalition in columns])
    return dict(zip(members, (shapley_matrix(members) @ values).tolist(), strict=True))


def all_coalitions(members: Sequence[str]) -> list[Coalition]:
    """Return all sets of members, the empty one first and everyone last."""
    if not 1 <= len(members) <= MAX_MEMBERS or len(set(members)) != len(members):
        raise ConfigError(
            f"members: expected 1 to {MAX_MEMBERS} different names, found {', '.join(members) or 'none'}"
        )
    sizes = range(len(members) + 1)
    return [frozenset(subset) for size in sizes for subset in combinations(members, size)]


def shapley_matrix(members: Sequence[str]) -> Array:
    """Return (members, coalitions): the Shapley values are this matrix times the coalitions' values."""
    n = len(members)
    columns = all_coalitions(members)
    matrix = np.zeros((n, len(columns)))
    for row, member in enumerate(members):
        for column, coalition in enumerate(columns):
            is_member = member in coalition
            before = len(coalition) - is_member
            share = factorial(before) * factorial(n - before - 1) / factorial(n)
            matrix[row, column] = share if is_member else -share
    return matrix


def _leave_one_out_matrix(members: Sequence[str]) -> Array:
    columns = all_coalitions(members)
    matrix = np.zeros((len(members), len(columns)))
    matrix[:, -1] = 1.0
    for row, member in enumerate(members):
        matrix[row, columns.index(frozenset(members) - {member})] -= 1.0
    return matrix


@dataclass(frozen=True)
class CoalitionGame:
    """Values per utterance: v(S) = sum of ``gains[S]`` / sum of ``sizes`` over utterances.

    ``gains`` is (coalitions, utterances) in the order of :func:`all_coalitions`, e.g. log-likelihoods (nats)
    or minus word errors; ``sizes`` (utterances,) are positive, e.g. tokens or reference words.
    """

    members: tuple[str, ...]
    gains: Array
    sizes: Array

    def __post_init__(self) -> None:
        expected = (len(all_coalitions(self.members)), len(self.sizes))
        fits = self.gains.shape == expected and len(self.sizes) > 0
        if not fits or not np.isfinite(self.gains).all() or not (self.sizes > 0).all():
            raise DataError(
                f"expected finite gains {expected} over positive sizes, found {self.gains.shape}; "
                "give every member a finite value on every utterance"
            )

    def values(self) -> Array:
        """Return v of every coalition, (coalitions,)."""
        return np.asarray(self.gains.sum(1) / self.sizes.sum())

    def __call__(self, coalition: Coalition) -> float:
        """Return v(coalition)."""
        return float(self.values()[all_coalitions(self.members).index(coalition)])


def mixture_likelihood_game(
    log_probs: Mapping[str, Sequence[Sequence[float]]],
    vocabulary: int,
    weights: Mapping[str, float] | None = None,
) -> CoalitionGame:
    """Return the game of mean log-likelihood per token (nats) of linear mixtures of ``log_probs``' members.

    ``log_probs`` holds, per member and utterance, the log-probability of each reference token. A coalition
    mixes its members by ``weights`` (default: equal), renormalized over it. Nobody is the uniform
    distribution over ``vocabulary`` tokens; members of weight 0 are never run, so they are nobody too.
    """
    members = tuple(log_probs)
    columns = all_coalitions(members)
    lengths = {member: [len(row) for row in rows] for member, rows in log_probs.items()}
    sizes = np.array(lengths[members[0]], float)
    if any(row != lengths[members[0]] for row in lengths.values()):
        raise DataError(f"expected {', '.join(members)} to score the same tokens, found different lengths")
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    token_log_probs = np.stack(
        [np.concatenate([np.asarray(r, float) for r in log_probs[m]]) for m in members]
    )
    member_weights = np.array([1.0 if weights is None else weights[member] for member in members])
    gains = np.tile(-sizes * log(vocabulary), (len(columns), 1))
    for number, coalition in enumerate(columns):
        rows = [n for n, member in enumerate(members) if member in coalition and member_weights[n] > 0]
        if rows:
            share = member_weights[rows] / member_weights[rows].sum()
            tokens = np.logaddexp.reduce(token_log_probs[rows] + np.log(share)[:, None], axis=0)
            gains[number] = np.add.reduceat(tokens, bounds[:-1])
    return CoalitionGame(members, gains, sizes)


def estimate_contributions(
    game: CoalitionGame, coefficients: Mapping[str, float] | None = None
) -> list[MemberContribution]:
    """Build the table: learned coefficient (if given), value alone, leave-one-out and Shapley, intervals."""
    values = game.values()
    matrices = {"shapley": shapley_matrix(game.members), "left": _leave_one_out_matrix(game.members)}
    sums = resample_sums(np.vstack([game.gains, game.sizes]).T)
    resampled_values = sums[:, :-1] / sums[:, -1:]  # (resamples, coalitions)
    columns = all_coalitions(game.members)
    points = {name: matrix @ values for name, matrix in matrices.items()}
    resampled = {name: resampled_values @ matrix.T for name, matrix in matrices.items()}

    return [
        MemberContribution(
            member=member,
            coefficient=None if coefficients is None else coefficients[member],
            alone=float(values[columns.index(frozenset({member}))]),
            leave_one_out=float(points["left"][row]),
            leave_one_out_interval=bootstrap_interval(resampled["left"][:, row], float(points["left"][row])),
            shapley=float(points["shapley"][row]),
            shapley_interval=bootstrap_interval(resampled["shapley"][:, row], float(points["shapley"][row])),
        )
        for row, member in enumerate(game.members)
    ]
