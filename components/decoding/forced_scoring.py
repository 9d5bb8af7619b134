"""A member that is forced through known sequences: many positions in one pass instead of one by one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.scorers import SequenceScorer, TokenScorer

MAX_SCORE_BYTES = 1 << 27
"""Bytes of scores that one pass may give, unless one position alone takes more."""


class ForcedScorer:
    """``member`` over ``tokens`` (N, T), of which its utterances will be asked nothing else.

    A :class:`components.decoding.TokenScorer` that runs its member over the next few columns at once and keeps the
    scores until they are asked for. Rows may be left out on the way, not repeated.
    """

    def __init__(self, scorer: SequenceScorer, tokens: Tensor) -> None:
        self.name, self.vocabulary, self.limit = scorer.name, scorer.vocabulary, scorer.limit
        self._scorer, self._tokens = scorer, tokens
        self._position = self._next_position = 0

    def prefill(self) -> Tensor:
        """See :class:`components.decoding.TokenScorer`."""
        scores = self._scorer.prefill()
        self._tokens = self._tokens.to(scores.device)
        self._rows = self._scored_rows = torch.arange(len(scores), device=scores.device)
        self._scores = scores[:, :0]
        return scores

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`components.decoding.TokenScorer`; ``tokens`` are the known ones."""
        self._rows = self._rows[beam_indices]
        if self._position == self._next_position:
            self._score_next_columns(len(tokens))
        self._position += 1
        columns_ahead = self._next_position - self._position  # columns read beyond this one
        return self._scores[torch.searchsorted(self._scored_rows, self._rows), -1 - columns_ahead]

    def _score_next_columns(self, rows: int) -> None:
        """Read the next columns of the rows that are left."""
        width = max(1, MAX_SCORE_BYTES // (4 * rows * self.vocabulary.size))
        beam_indices = torch.searchsorted(self._scored_rows, self._rows)
        columns = self._tokens[self._rows, self._next_position : self._next_position + width]
        self._scores = self._scorer.score_tokens(beam_indices, columns)
        self._scored_rows, self._next_position = self._rows, self._next_position + columns.shape[1]


def as_forced_scorers(scorers: Sequence[TokenScorer], tokens: Tensor) -> list[TokenScorer]:
    """``members`` as readers of ``tokens``, where they can read; one column alone is not worth it."""
    return [
        ForcedScorer(scorer, tokens) if isinstance(scorer, SequenceScorer) and tokens.shape[1] > 1 else scorer
        for scorer in scorers
    ]
