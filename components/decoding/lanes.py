"""One member in a search that does not need it at every step.

A lane notes the tokens that its member has not seen yet. When the member is needed it is given all of them
at once, after its caches have followed the rows; a member that is never needed is never called.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.members import Member, Striding


class Lane:
    """``calls`` counts forward calls of the member."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.calls = 0
        self._begun = False
        self._parents: Tensor | None = None
        self._tokens = torch.zeros((0, 0), dtype=torch.long)

    def push(self, parents: Tensor, tokens: Tensor) -> None:
        """Row r continues row ``parents[r]`` of the step before with ``tokens[r]``."""
        if self._parents is None:
            # A copy: what is given may be a view of the search's own record, which goes on changing.
            self._parents, self._tokens = parents, tokens[:, None].clone()
        else:
            self._parents = self._parents[parents]
            self._tokens = torch.cat([self._tokens[parents], tokens[:, None]], dim=1)

    def run(self) -> Tensor:
        """The member's scores (R, V) of the next token, after everything that was pushed."""
        scores = None
        if not self._begun:
            scores, self._begun = self.member.begin(), True
            self.calls += 1
        if self._parents is None:
            assert scores is not None
            return scores
        parents, tokens = self._parents, self._tokens
        self._parents = None
        return self._advance(parents, tokens)

    def _advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        member = self.member
        if tokens.shape[1] > 1 and isinstance(member, Striding):
            self.calls += 1
            return member.stride(parents, tokens)
        scores = member.advance(parents, tokens[:, 0])
        rows = torch.arange(len(tokens), device=tokens.device)
        for column in tokens.T[1:]:
            scores = member.advance(rows, column)
        self.calls += tokens.shape[1]
        return scores
