"""A token scorer that runs only when its scores are needed.

Tokens are queued until then. The scorer then gets all of them at once, in one pass where it can, after one
reordering of its caches; a scorer that is never needed is never called. A scorer on another device than the
search gets its tokens there, and its scores come back; copies between cards wait for nobody.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from components.decoding.moves import RowTransition, prepare_step
from components.decoding.scorers import MultiTokenScorer, TokenScorer


class LazyScorer:
    """Queues tokens for ``scorer`` until its scores are asked for.

    Attributes:
        scorer: the token scorer behind it.
        calls: number of its forward calls so far.
        device: where it computes; None before its first call.
    """

    def __init__(self, scorer: TokenScorer) -> None:
        self.scorer = scorer
        self.calls = 0
        self.device: torch.device | None = None
        self._beam_indices: Tensor | None = None
        self._tokens = torch.zeros((0, 0), dtype=torch.long)
        self._move: RowTransition | None = None

    def push(self, beam_indices: Tensor, tokens: Tensor, move: RowTransition | None = None) -> None:
        """Queue one token per row (R,): row r continues row ``beam_indices[r]`` of the step before.

        ``move`` is what the search knows of it. Nobody may write to the tensors afterwards.
        """
        if self._beam_indices is None:
            self._beam_indices, self._tokens, self._move = beam_indices, tokens[:, None], move
        else:
            self._move = None if self._move is None or move is None else self._move.then(move)
            self._beam_indices = (
                self._beam_indices[beam_indices] if self._move is None else self._move.beam_indices
            )
            self._tokens = torch.cat([self._tokens[beam_indices], tokens[:, None]], dim=1)

    def run(self) -> Tensor:
        """Run the scorer over the queue; return its scores (R, V) of the next token."""
        scores = None
        if self.device is None:
            scores = self.scorer.prefill()
            self.device = scores.device
            self.calls += 1
        if self._beam_indices is None:
            assert scores is not None
            return scores
        beam_indices, tokens = self._beam_indices, self._tokens
        self._beam_indices = None
        if beam_indices.device != self.device:
            self._move = None if self._move is None else self._move.to(self.device)
            beam_indices = self.bring(beam_indices) if self._move is None else self._move.beam_indices
            tokens = self.bring(tokens)
        prepare_step(self.scorer, self._move)
        return self._catch_up(beam_indices, tokens)

    def bring(self, tensor: Tensor) -> Tensor:
        """Return a tensor of the search where the scorer computes."""
        return tensor if self.device is None else tensor.to(self.device, non_blocking=True)

    def _catch_up(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        scorer = self.scorer
        if tokens.shape[1] > 1 and isinstance(scorer, MultiTokenScorer):
            self.calls += 1
            return scorer.step_many(beam_indices, tokens)
        scores = scorer.step(beam_indices, tokens[:, 0])
        columns = tokens.T[1:]
        rows = torch.arange(len(tokens), device=tokens.device) if len(columns) else beam_indices
        for column in columns:
            if self._move is not None:
                prepare_step(scorer, replace(self._move, beam_indices=rows, remaining=None, is_identity=True))
            scores = scorer.step(rows, column)
        self.calls += tokens.shape[1]
        return scores
