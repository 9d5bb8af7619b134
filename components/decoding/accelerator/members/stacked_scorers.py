"""The interface of token scorers that run as one, in products of all members.

Letters in shapes: N utterances, R rows, V tokens of the vocabulary, G members.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from components.decoding.scorers import TokenScorer


class StackedScorers(Protocol):
    """Several scorers that run as one: a :class:`.TokenScorer` whose scores have the G members in front."""

    def prefill(self) -> Tensor:
        """Scores of the first generated token, (G, N, V)."""
        ...

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Append one token to every row: (G, R, V)."""
        ...


@runtime_checkable
class StackableScorer(TokenScorer, Protocol):
    """A scorer that may run together with others of its architecture, in products of all."""

    def is_alike(self, other: object) -> bool:
        """Return whether the other is of the same kind, architecture and start."""
        ...

    def stack(self, others: Sequence[object]) -> StackedScorers:
        """This scorer and ``others``, which are alike, as one."""
        ...
