"""Whisper's token scorer off the CPU: no question to the device in a step, no copy of a reordered cache."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from whisper.tokenizer import Tokenizer

from components.decoding.models.beam_cache import BeamCache
from components.decoding.models.whisper import WhisperTokenScorer
from components.decoding.models.whisper_decoder import WhisperDecoder
from components.decoding.moves import Move, Rows
from components.decoding.scorers import common_count


class DeviceWhisperScorer(WhisperTokenScorer):
    """The same scores with the rows of a window in one cache of self-attention (:mod:`.beam_cache`).

    Windows keep their order, so that the rows of those still searched fill the grid; where the windows are
    needed after the search, they stay where they are, and those that are finished are attended to in vain.
    """

    is_ragged = False

    def __init__(
        self,
        decoder: WhisperDecoder,
        tokenizer: Tokenizer,
        cross: list[Tensor],
        prompts: Tensor,
        counts: Tensor | None = None,
        keeps_windows: bool = False,
    ) -> None:
        """See :class:`.whisper.WhisperTokenScorer`."""
        super().__init__(decoder, tokenizer, cross, prompts, counts, keeps_windows)
        self.rows = Rows(len(prompts), decoder.device)
        self._beam_cache = BeamCache(self.rows)
        self._windows = self.rows.owners  # slot of each utterance's window

    def follow(self, move: Move) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self.rows.announce(move)

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens; see :meth:`.RetractableScorer.retract`."""
        count = common_count(counts)
        self._beam_cache.retract(count)
        self._length -= count

    def _reorder(self, beam_indices: Tensor) -> None:
        move = self.rows.move(beam_indices)
        self._beam_cache.reorder(move)
        if move.remaining is None:
            return
        if self._keeps_windows:
            self._windows = self._windows[move.remaining]
            return
        self._cross = [pair[:, move.remaining] for pair in self._cross]
        self._log_counts = None if self._log_counts is None else self._log_counts[move.remaining]

    def _forward(self, tokens: Tensor) -> Tensor:
        decoder, start = self._decoder, self._length
        stop = start + tokens.shape[1]
        self._beam_cache.start_step(tokens.shape[1])
        x: Tensor = decoder.tokens(tokens) + decoder.positions[start:stop]
        layout = self._layout()
        for i, layer in enumerate(decoder.layers):
            x = x + layer.attn_out(self._self_attend_beam(layer.qkv(layer.attn_ln(x)), i))
            x = x + layer.cross_out(
                self._cross_attend(layer.cross_q(layer.cross_ln(x)), self._cross[i], layout)
            )
            x = x + layer.mlp_out(layer.mlp_in(layer.mlp_ln(x)))
        self._length = stop
        return x

    def _self_attend_beam(self, qkv: Tensor, layer: int) -> Tensor:
        """Self-attention of queries, keys and values (R, t, 3 d) over the cache, which it extends."""
        rows, t, _ = qkv.shape
        q, k, v = qkv.view(rows, t, 3, self._decoder.heads, -1).permute(2, 0, 3, 1, 4)
        cache = self._beam_cache
        keys, values = cache.append(layer, k, v)
        out = functional.scaled_dot_product_attention(
            cache.stack_queries(q), keys, values, attn_mask=cache.mask
        )
        return cache.to_rows(out.transpose(1, 2)).flatten(2)

    def _layout(self) -> tuple[int, int, Tensor | None]:
        rows = self.rows
        n_slots = self._cross[0].shape[1]
        if rows.n == n_slots:
            return rows.n, rows.b, rows.cells
        within = torch.arange(len(rows.owners), device=rows.owners.device) % rows.b
        if rows.cells is not None:
            within = rows.cells - rows.owners * rows.b
        return n_slots, rows.b, self._windows[rows.owners] * rows.b + within
