"""The members of an ensemble that are run: advanced together, counted, and looked through for NaN.

Letters in shapes: R rows, V tokens, M active members (those that the combiner does not give a constant weight
of zero).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.mixing.member_groups import group_members, run_groups, scores_at, scores_of
from components.decoding.moves import Move
from components.decoding.scorers import StackedScorers, TokenScorer, as_retractable
from components.errors import ConfigError, ModelError


class Members:
    """The active members of a search.

    Attributes:
        names: Of each member.
        limit: Tokens that every one of them can take.
    """

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        indices: Sequence[int],
        calls: Counter[int] | None,
        *,
        stacks: bool,
    ) -> None:
        """Take the active ones.

        Args:
            scorers: The members, prepared for the same utterances.
            indices: Which are active, in order.
            calls: Counts the forward calls of each member by its index in ``scorers``.
            stacks: Whether members of one architecture may run as one off the CPU.
        """
        active = [scorers[index] for index in indices]
        self._indices, self._calls = tuple(indices), calls
        self._groups = group_members(active, stacks=stacks)
        self.names = tuple(scorer.name for scorer in active)
        self.limit = min(scorer.limit for scorer in active)
        self._device: torch.device | None = None  # where the distributions are mixed: the first member's

    @property
    def only(self) -> TokenScorer | StackedScorers | None:
        """The scorer that stands for all of them, if there is one."""
        return self._groups[0].lazy.scorer if len(self._groups) == 1 else None

    def push(self, beam_indices: Tensor, tokens: Tensor, move: Move | None) -> None:
        """Have them take ``tokens`` (R,) when they are run next; see :meth:`.TokenScorer.step`."""
        for group in self._groups:
            group.lazy.push(beam_indices, tokens, move)

    def run(self, members: Sequence[int] | None = None) -> list[Tensor]:
        """Scores (R, V) of ``members`` that run alone, else of all; others have no scores at this step.

        Raises:
            ConfigError: The members were prepared for different utterances.
        """
        for group in self._groups:
            group.scores = None  # freed first, so that the new scores can take its memory
        groups = self._groups if members is None else [self._groups[member] for member in members]
        self._device = run_groups(groups, self._device)
        self._count_calls()
        scores = scores_of(groups)
        shapes = {tuple(member_scores.shape) for member_scores in scores}
        if len(shapes) > 1:
            raise ConfigError(
                f"expected members prepared for the same utterances, found scores of shapes {sorted(shapes)}"
            )
        return scores

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> list[Tensor]:
        """Append ``tokens`` (R, t) to every row, in one pass: scores (R * t, V), those of a row together."""
        for group in self._groups:
            group.scores, member = None, group.lazy
            scored = as_retractable(member.scorer).score_tokens(
                member.bring(beam_indices), member.bring(tokens)
            )
            group.scores = scored.flatten(0, 1).to(beam_indices.device, non_blocking=True)[None]
            member.calls += 1
        self._count_calls()
        return scores_of(self._groups)

    @property
    def is_ragged(self) -> bool:
        """Whether rows of every member may retract different numbers of tokens."""
        return all(as_retractable(group.lazy.scorer).is_ragged for group in self._groups)

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`.RetractableScorer.retract`."""
        for group in self._groups:
            as_retractable(group.lazy.scorer).retract(group.lazy.bring(counts))

    def scores_at(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """The latest scores (M, R') of ``tokens`` (R',) at ``rows`` (R',); NaN: was not run."""
        return scores_at(self._groups, rows, tokens)

    def raise_not_finite(self) -> None:
        """Say which member's latest scores hold NaN.

        Raises:
            ModelError: Always.
        """
        run = [group for group in self._groups if group.scores is not None]
        names = [self.names[member] for member in sorted(m for group in run for m in group.members)]
        scores = scores_of(run)
        bad = [name for name, each in zip(names, scores, strict=True) if not bool((each < torch.inf).all())]
        raise ModelError(
            f"expected finite log-probabilities, found NaN or infinity from "
            f"{', '.join(bad or self.names)}: check its weights, or use float32"
        )

    def _count_calls(self) -> None:
        for group in self._groups:
            if self._calls is not None:
                self._calls.update({self._indices[member]: group.lazy.calls for member in group.members})
                group.lazy.calls = 0
