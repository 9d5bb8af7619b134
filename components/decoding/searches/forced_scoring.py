"""Teacher forcing in blocks: many positions of known sequences in one pass instead of one by one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.scorers import SequenceScorer, TokenScorer

MAX_SCORE_BYTES = 1 << 27
"""Bytes of scores of one pass, at most, unless one position alone takes more."""


class ForcedScorer:
    """A token scorer for known tokens: it scores a block of positions ahead and hands them out step by step.

    Rows may be left out on the way, but not repeated or reordered.
    """

    def __init__(self, scorer: SequenceScorer, tokens: Tensor) -> None:
        """Prepare ``scorer`` to be forced through ``tokens`` (N, T)."""
        self.name, self.vocabulary, self.limit = scorer.name, scorer.vocabulary, scorer.limit
        self._scorer, self._tokens = scorer, tokens
        self._position = self._next_position = 0

    def prefill(self) -> Tensor:
        """See :class:`.scorers.TokenScorer`."""
        scores = self._scorer.prefill()
        self._tokens = self._tokens.to(scores.device)
        self._rows = self._scored_rows = torch.arange(len(scores), device=scores.device)
        self._scores = scores[:, :0]
        return scores

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """See :class:`.scorers.TokenScorer`; ``tokens`` must be the known ones."""
        self._rows = self._rows[beam_indices]
        if self._position == self._next_position:
            self._score_next_columns(len(tokens))
        self._position += 1
        columns_ahead = self._next_position - self._position  # columns scored beyond this one
        return self._scores[torch.searchsorted(self._scored_rows, self._rows), -1 - columns_ahead]

    def _score_next_columns(self, rows: int) -> None:
        """Score the next block of columns for the ``rows`` rows that are left."""
        width = max(1, MAX_SCORE_BYTES // (4 * rows * self.vocabulary.size))
        beam_indices = torch.searchsorted(self._scored_rows, self._rows)
        columns = self._tokens[self._rows, self._next_position : self._next_position + width]
        self._scores = self._scorer.score_tokens(beam_indices, columns)
        self._scored_rows, self._next_position = self._rows, self._next_position + columns.shape[1]


def as_forced_scorers(scorers: Sequence[TokenScorer], tokens: Tensor) -> list[TokenScorer]:
    """Wrap those scorers that can score ``tokens`` (N, T) in blocks; with T = 1 there is nothing to gain."""
    return [
        ForcedScorer(scorer, tokens) if isinstance(scorer, SequenceScorer) and tokens.shape[1] > 1 else scorer
        for scorer in scorers
    ]
