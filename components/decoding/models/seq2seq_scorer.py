"""The token scorer of transformers' encoder-decoder models.

The encoder runs once; the keys and values of its output are computed once per utterance and shared by its
beams; self-attention grows in place. Only the last position's logits are computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from components.decoding.caches import kv_cache
from components.decoding.models.on_device import ON_DEVICE
from components.decoding.models.seq2seq_preparation import PreparedSeq2Seq
from components.decoding.moves import RowLayout, RowTransition
from components.decoding.scorers import common_count


class Seq2SeqScorer:
    """The :class:`.scorers.TokenScorer` of a batch of utterances in an encoder-decoder model."""

    is_ragged = False
    """Decoders of transformers count positions from the length of the cache, which all rows share."""

    def __init__(self, ready: PreparedSeq2Seq, inputs: dict[str, Tensor], start: Tensor) -> None:
        self.name, self.vocabulary = ready.name, ready.vocabulary
        self.limit = ready.positions - start.shape[-1] + 1
        self._ready = ready
        self._inputs = inputs
        self._start = start
        self._mask: Tensor | None = inputs.get("attention_mask")
        self._output: Any = BaseModelOutput

    def as_transformers_scorer(self) -> Seq2SeqScorer:
        """Return the same in transformers' own forward pass, which dropout needs."""
        return Seq2SeqScorer(self._ready, self._inputs, self._start)

    @property
    def utterances(self) -> int:
        """Number of utterances it was prepared for."""
        return len(next(iter(self._inputs.values())))

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Run the encoder and the start tokens; see :meth:`.TokenScorer.prefill`."""
        self.encode()
        return self.prefill_decoder()

    @torch.inference_mode()
    def encode(self) -> None:
        """Run the encoder."""
        output = self._ready.model.get_encoder()(**self._inputs, return_dict=True)
        self._encoded, self._output = output.last_hidden_state, type(output)

    @torch.inference_mode()
    def prefill_decoder(self) -> Tensor:
        """Run the start tokens; returns scores (N, V)."""
        if self._mask is not None and bool(self._mask.all()):
            self._mask = None
        self._start_rows()
        start = self._start.to(self._encoded.device).expand(len(self._encoded), -1)
        return self._run_decoder(start, -1)[:, 0]

    def _start_rows(self) -> None:
        """One row for each encoded utterance, with empty caches."""
        self.rows = RowLayout(len(self._encoded), self._encoded.device)
        make = kv_cache.GrowingPast
        if self._ready.shares_cache and self._encoded.device.type != "cpu":
            make = ON_DEVICE.get("self_attention", make)
        self._past = make(self.rows)
        cross_attention = Cache(layer_class_to_replicate=kv_cache.CrossAttentionLayer)
        self._cache = EncoderDecoderCache(self._past.cache, cross_attention)
        self._has_source_per_row = False
        if self._mask is not None and self._mask.device.type != "cpu":
            # With four dimensions it is taken as it is; else it would be looked at in every step.
            self._mask = self._mask[:, None, None].bool()

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self.rows.announce(move)

    @torch.inference_mode()
    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run one position; see :meth:`.TokenScorer.step`."""
        return self.step_many(beam_indices, tokens[:, None])

    @torch.inference_mode()
    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the caches and run the positions of ``tokens`` (R, t); returns (R, V)."""
        self._reorder(beam_indices)
        return self._run_decoder(tokens, -1)[:, 0]

    @torch.inference_mode()
    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Return the same with the scores after every token, (R, t, V)."""
        self._reorder(beam_indices)
        return self._run_decoder(tokens, 0)

    @torch.inference_mode()
    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens; see :meth:`.RetractableScorer.retract`."""
        self._past.retract(common_count(counts))

    @torch.inference_mode()
    def score_prefixes(self, utterances: Tensor, tokens: Tensor) -> Tensor:
        """Return scores (R, V) after ``tokens`` (R, t), without the cache; see :class:`.PrefixScorer`."""
        device = self._encoded.device
        utterances, tokens = utterances.to(device), tokens.to(device)
        start = self._start.to(device).expand(len(tokens), -1)
        return self._ready.scores(
            -1,
            encoder_outputs=self._output(last_hidden_state=self._encoded[utterances]),
            attention_mask=None if self._mask is None else self._mask[utterances],
            decoder_input_ids=torch.cat([start, tokens], dim=1),
            use_cache=False,
        )[:, 0]

    def _reorder(self, beam_indices: Tensor) -> None:
        before = (self.rows.n, self.rows.b, self.rows.cells)
        move = self.rows.move(beam_indices)
        self._past.reorder(move)
        self._select_sources(move, move.cells is None and before == (move.n, move.b, None))

    def _select_sources(self, move: RowTransition, is_same_grid: bool) -> None:
        """Keep the sources that rows attend to: once each if all have as many rows, else once per row."""
        per_row = move.cells is not None or not self._ready.shares_attention
        if per_row == self._has_source_per_row:
            if move.is_identity or (is_same_grid and move.remaining is None):
                return
            rows = move.beam_indices if per_row else move.remaining
        elif per_row:
            rows = move.owners if move.remaining is None else move.remaining[move.owners]
        else:
            rows = move.beam_indices[:: move.b]
        if rows is None:
            return
        self._keep_sources(rows)
        self._has_source_per_row = per_row

    def _keep_sources(self, rows: Tensor) -> None:
        kv_cache.select_rows(self._cache.cross_attention_cache, rows)
        self._encoded = self._encoded[rows]
        self._mask = None if self._mask is None else self._mask[rows]

    def _encoder_outputs(self) -> Any:
        return self._output(last_hidden_state=self._encoded)  # sparse ones have more fields

    def _run_decoder(self, tokens: Tensor, first: int) -> Tensor:
        with self._past.step(tokens.shape[1]) as options:
            cache: dict[str, Any] = {self._ready.cache_argument: self._cache}
            return self._ready.scores(
                first,
                encoder_outputs=self._encoder_outputs(),
                attention_mask=self._mask,
                decoder_input_ids=tokens,
                use_cache=True,
                **cache,
                **options,
            )
