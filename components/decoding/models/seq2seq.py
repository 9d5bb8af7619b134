"""Token scorers from transformers' encoder-decoder models: Marian, M2M/NLLB, mBART, T5, Whisper."""

from __future__ import annotations

import torch
from torch import Tensor

from components.decoding.models.marian import MarianDecoderState
from components.decoding.models.on_device import ON_DEVICE
from components.decoding.models.seq2seq_preparation import PreparedSeq2Seq
from components.decoding.models.seq2seq_scorer import Seq2SeqScorer


class Seq2SeqModel(PreparedSeq2Seq):
    """A loaded encoder-decoder model, prepared for batched decoding, and the scorer that suits it."""

    def build_scorer(
        self, *, start: tuple[int, ...] | Tensor | None = None, **inputs: Tensor
    ) -> Seq2SeqScorer:
        """Return a token scorer for a batch of utterances.

        Args:
            start: the decoder's first tokens, the same for all or (N, t); default: its start token.
            inputs: the encoder's inputs: ``input_ids`` and ``attention_mask`` (N, S), or features.

        Returns:
            A scorer for one search.
        """
        kind = MarianScorer if self.has_own_decoder else Seq2SeqScorer
        first = torch.tensor(self.start) if start is None else torch.as_tensor(start)
        if self.is_marian_on_device and first.ndim == 1:  # where all rows begin alike
            kind = ON_DEVICE.get("marian_scorer", kind)
        return kind(self, inputs, first)


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
