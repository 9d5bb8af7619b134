"""A member that is forced through known sequences: many positions in one pass instead of one by one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.members import Member, Reading

LARGEST = 1 << 27
"""Bytes of scores that one pass may give, unless one position alone takes more."""


class Reader:
    """``member`` over ``tokens`` (N, T), of which its utterances will be asked nothing else.

    A :class:`components.decoding.Member` that runs its member over the next few columns at once and keeps the
    scores until they are asked for. Rows may be left out on the way, not repeated.
    """

    def __init__(self, member: Reading, tokens: Tensor) -> None:
        self.name, self.vocabulary, self.limit = member.name, member.vocabulary, member.limit
        self._member, self._tokens = member, tokens
        self._step = self._next = 0

    def begin(self) -> Tensor:
        """See :class:`components.decoding.Member`."""
        scores = self._member.begin()
        self._tokens = self._tokens.to(scores.device)
        self._rows = self._read = torch.arange(len(scores), device=scores.device)
        self._scores = scores[:, :0]
        return scores

    def advance(self, parents: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`components.decoding.Member`; ``tokens`` are the known ones."""
        self._rows = self._rows[parents]
        if self._step == self._next:
            self._ahead(len(tokens))
        self._step += 1
        ago = self._next - self._step  # columns read beyond this one
        return self._scores[torch.searchsorted(self._read, self._rows), -1 - ago]

    def _ahead(self, rows: int) -> None:
        """Read the next columns of the rows that are left."""
        width = max(1, LARGEST // (4 * rows * self.vocabulary.size))
        parents = torch.searchsorted(self._read, self._rows)
        columns = self._tokens[self._rows, self._next : self._next + width]
        self._scores = self._member.read(parents, columns)
        self._read, self._next = self._rows, self._next + columns.shape[1]


def readers(members: Sequence[Member], tokens: Tensor) -> list[Member]:
    """``members`` as readers of ``tokens``, where they can read; one column alone is not worth it."""
    return [Reader(m, tokens) if isinstance(m, Reading) and tokens.shape[1] > 1 else m for m in members]
