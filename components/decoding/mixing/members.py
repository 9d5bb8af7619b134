"""The members of an ensemble that are run: advanced together, counted, and looked through for NaN.

Letters in shapes: R rows, V tokens, M active members (those that the combiner does not give a constant weight
of zero).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.mixing.lazy_scorer import LazyScorer
from components.decoding.moves import RowTransition
from components.decoding.scorers import TokenScorer, as_retractable
from components.errors import ConfigError, ModelError


class Members:
    """The active members of a search.

    Attributes:
        names: of each member.
        limit: tokens that every one of them can take.
    """

    def __init__(
        self, scorers: Sequence[TokenScorer], indices: Sequence[int], calls: Counter[int] | None
    ) -> None:
        """Take the active ones.

        Args:
            scorers: they, prepared for the same utterances.
            indices: theirs among all members, in order.
            calls: counts the forward calls of each member by its index.
        """
        self._indices, self._calls = tuple(indices), calls
        self._lazy = [LazyScorer(scorer) for scorer in scorers]
        self._scores: list[Tensor | None] = [None] * len(scorers)  # of the latest step, where the search is
        self.names = tuple(scorer.name for scorer in scorers)
        self.limit = min(scorer.limit for scorer in scorers)
        self._device: torch.device | None = None  # where the distributions are mixed: the first member's

    def push(self, beam_indices: Tensor, tokens: Tensor, move: RowTransition | None) -> None:
        """Have them take ``tokens`` (R,) when they are run next; see :meth:`.TokenScorer.step`."""
        for lazy in self._lazy:
            lazy.push(beam_indices, tokens, move)

    def run(self, members: Sequence[int] | None = None) -> list[Tensor]:
        """Return scores (R, V) of ``members``, else of all; others have no scores at this step.

        Raises:
            ConfigError: The members were prepared for different utterances.
        """
        self._scores = [None] * len(self.names)  # freed first, so that the new scores can take its memory
        self._run(range(len(self.names)) if members is None else members)
        self._count_calls()
        scores = [each for each in self._scores if each is not None]
        shapes = {tuple(member_scores.shape) for member_scores in scores}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found scores of shapes {sorted(shapes)}"
            )
        return scores

    def _run(self, members: Sequence[int]) -> None:
        """Compute the scores of ``members``."""
        for member in members:
            scores = self._lazy[member].run()
            self._device = self._device or scores.device
            self._scores[member] = scores.to(self._device, non_blocking=True)

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> list[Tensor]:
        """Append ``tokens`` (R, t) to every row, in one pass: scores (R * t, V), those of a row together."""
        all_scores = []
        for member, lazy in enumerate(self._lazy):
            self._scores[member] = None
            scored = as_retractable(lazy.scorer).score_tokens(lazy.bring(beam_indices), lazy.bring(tokens))
            all_scores.append(scored.flatten(0, 1).to(beam_indices.device, non_blocking=True))
            self._scores[member] = all_scores[-1]
            lazy.calls += 1
        self._count_calls()
        return all_scores

    @property
    def is_ragged(self) -> bool:
        """Whether rows of every member may retract different numbers of tokens."""
        return all(as_retractable(lazy.scorer).is_ragged for lazy in self._lazy)

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`.RetractableScorer.retract`."""
        for lazy in self._lazy:
            as_retractable(lazy.scorer).retract(lazy.bring(counts))

    def scores_at(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Return the latest scores (M, R') of ``tokens`` (R',) at ``rows`` (R',); NaN: was not run."""
        if len(self._scores) == 1 and self._scores[0] is not None:
            return self._scores[0][rows, tokens][None]
        not_run = torch.full(rows.shape, torch.nan, device=rows.device)
        return torch.stack([not_run if each is None else each[rows, tokens] for each in self._scores])

    def raise_not_finite(self) -> None:
        """Say which member's latest scores hold NaN.

        Raises:
            ModelError: Always.
        """
        bad = [
            name
            for name, each in zip(self.names, self._scores, strict=True)
            if each is not None and not bool((each < torch.inf).all())
        ]
        raise ModelError(
            f"expected finite log-probabilities, found NaN or infinity from "
            f"{', '.join(bad or self.names)}: check its weights, or use float32"
        )

    def _count_calls(self) -> None:
        for index, lazy in zip(self._indices, self._lazy, strict=True):
            if self._calls is not None:
                self._calls[index] += lazy.calls
                lazy.calls = 0
