"""The members of an ensemble off the CPU: those of one architecture as one, groups perhaps side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from components.decoding.accelerator.members.member_groups import group_members, run_groups
from components.decoding.mixing.members import Members
from components.decoding.scorers import TokenScorer


class GroupedMembers(Members):
    """:class:`.Members` that run in groups; what they read ahead they do not forget again."""

    def __init__(
        self,
        scorers: Sequence[TokenScorer],
        indices: Sequence[int],
        calls: Counter[int] | None,
        *,
        stacks: bool,
    ) -> None:
        """Take the active members; ``stacks``: those of one architecture may run as one."""
        super().__init__(scorers, indices, calls)
        self._groups = group_members(scorers, stacks=stacks)
        self._lazy = [group.lazy for group in self._groups]

    @property
    def only(self) -> TokenScorer | None:
        """The scorer that stands for all of them, if there is one."""
        return self._lazy[0].scorer if len(self._lazy) == 1 else None

    def _run(self, members: Sequence[int]) -> None:
        for group in self._groups:
            group.scores = None  # freed first, as those of the members
        groups = [group for group in self._groups if set(group.members) <= set(members)]
        self._device = run_groups(groups, self._device)
        for group in groups:
            assert group.scores is not None
            for member, scores in zip(group.members, group.scores.unbind(), strict=True):
                self._scores[member] = scores

    def scores_at(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """See :meth:`.Members.scores_at`; of one group in one piece."""
        scores = self._groups[0].scores
        if len(self._groups) == 1 and scores is not None:
            return scores[:, rows, tokens]
        return super().scores_at(rows, tokens)

    def _count_calls(self) -> None:
        for group in self._groups:
            if self._calls is not None:
                self._calls.update({self._indices[member]: group.lazy.calls for member in group.members})
                group.lazy.calls = 0
