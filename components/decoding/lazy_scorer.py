"""One member in a search that does not need it at every step.

A lane notes the tokens that its member has not seen yet. When the member is needed it is given all of them
at once, after its caches have followed the rows; a member that is never needed is never called.
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.scorers import MultiTokenScorer, TokenScorer


class LazyScorer:
    """``calls`` counts forward calls of the member."""

    def __init__(self, scorer: TokenScorer) -> None:
        self.scorer = scorer
        self.calls = 0
        self._is_prefilled = False
        self._beam_indices: Tensor | None = None
        self._tokens = torch.zeros((0, 0), dtype=torch.long)

    def push(self, beam_indices: Tensor, tokens: Tensor) -> None:
        """Row r continues row ``parents[r]`` of the step before with ``tokens[r]``."""
        if self._beam_indices is None:
            # A copy: what is given may be a view of the search's own record, which goes on changing.
            self._beam_indices, self._tokens = beam_indices, tokens[:, None].clone()
        else:
            self._beam_indices = self._beam_indices[beam_indices]
            self._tokens = torch.cat([self._tokens[beam_indices], tokens[:, None]], dim=1)

    def run(self) -> Tensor:
        """The member's scores (R, V) of the next token, after everything that was pushed."""
        scores = None
        if not self._is_prefilled:
            scores, self._is_prefilled = self.scorer.prefill(), True
            self.calls += 1
        if self._beam_indices is None:
            assert scores is not None
            return scores
        beam_indices, tokens = self._beam_indices, self._tokens
        self._beam_indices = None
        return self._catch_up(beam_indices, tokens)

    def _catch_up(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        scorer = self.scorer
        if tokens.shape[1] > 1 and isinstance(scorer, MultiTokenScorer):
            self.calls += 1
            return scorer.step_many(beam_indices, tokens)
        scores = scorer.step(beam_indices, tokens[:, 0])
        rows = torch.arange(len(tokens), device=tokens.device)
        for column in tokens.T[1:]:
            scores = scorer.step(rows, column)
        self.calls += tokens.shape[1]
        return scores
