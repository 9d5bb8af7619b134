"""The token scorer of Marian models with packed layers, on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.models.marian import MarianDecoderState
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer


class MarianScorer(Seq2SeqScorer):
    """The scorer on :class:`.marian.MarianDecoderState`."""

    is_ragged = True

    @torch.inference_mode()
    def prefill_decoder(self) -> Tensor:
        """Run the start tokens; returns scores (N, V)."""
        mask = None if self._mask is None or bool(self._mask.all()) else self._mask
        self._state = MarianDecoderState(self._ready.model, self._encoded, mask)
        return self._run_decoder(self._start.expand(len(self._encoded), -1), -1)[:, 0]

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`.RetractableScorer.retract`."""
        self._state.retract(counts)

    def _reorder(self, beam_indices: Tensor) -> None:
        self._state.reorder(beam_indices)

    def _run_decoder(self, tokens: Tensor, first: int) -> Tensor:
        scores: Tensor = self._ready.model.lm_head(self._state.step(tokens)[:, first:])
        return scores
