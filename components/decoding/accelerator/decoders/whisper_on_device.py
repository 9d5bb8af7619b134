"""Whisper's token scorer off the CPU: no question to the device in a step, no copy of a reordered cache."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional

from components.compute.layers.folded_mask import attend
from components.compute.openai_whisper import Tokenizer
from components.decoding.accelerator.fixed_shapes.kept_workspaces import Workspaces
from components.decoding.accelerator.fixed_shapes.static_cache import AnyBeamCache, StaticBeamCache
from components.decoding.accelerator.fixed_shapes.static_steps import (
    DecoderSizes,
    Start,
    StaticSteps,
    wants_static_steps,
)
from components.decoding.accelerator.fixed_shapes.static_workspace import Sources
from components.decoding.accelerator.members.fused_mixture import FusedMixture
from components.decoding.caches.beam_cache import BeamCache
from components.decoding.models.whisper import WhisperTokenScorer
from components.decoding.models.whisper_decoder import WhisperDecoder
from components.decoding.moves import RowLayout, RowTransition
from components.decoding.scorers import common_count

_WORKSPACES: WeakKeyDictionary[WhisperDecoder, Workspaces] = WeakKeyDictionary()
"""Decoder -> the buffers of its steps in fixed shapes, as long as it is there."""
CrossAttention = Callable[[Tensor, int], Tensor]
"""Queries (R, t, d) of a layer -> what they attend to in their windows, (R, t, d)."""


class DeviceWhisperScorer(WhisperTokenScorer):
    """The same scores with the rows of a window in one cache of self-attention (:mod:`.beam_cache`).

    Windows keep their order, so that the rows of those still searched fill the grid; where the windows are
    needed after the search, they stay where they are, and those that are finished are attended to in vain.

    Attributes:
        mixture: see :class:`components.decoding.accelerator.members.fused_mixture.MixesInStep`.
    """

    is_ragged = False
    mixture: FusedMixture | None = None

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
        self.rows = RowLayout(len(prompts), decoder.device)
        self._beam_cache = BeamCache(self.rows)
        self._windows = self.rows.owners  # slot of each utterance's window
        self._static: StaticSteps | None = None
        self._may_be_static = wants_static_steps(decoder.device)

    def prepare_step(self, move: RowTransition) -> None:
        """See :class:`components.decoding.moves.FollowsMoves`."""
        self.rows.announce(move)

    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the cache and run the positions of ``tokens`` (R, t); returns (R, V)."""
        move = self.rows.move(beam_indices)
        if self._static is None:
            self._follow(move)
            if not self._may_be_static:
                return self._logits(self._forward(tokens)[:, -1])
            self._static = self._to_static(move)
        return self._static.step_each(self._run_static, move, tokens, self.mixture)[-1][0]

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Return the same with the scores after every token, (R, t, V)."""
        move = self.rows.move(beam_indices)
        if self._static is not None:
            return torch.stack(list(self._static.step_each(self._run_static, move, tokens)), dim=2)[0]
        self._may_be_static = False  # several tokens in a pass gain more than steps of fixed shapes
        self._follow(move)
        return self._logits(self._forward(tokens))

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts`` (R,), all equal, tokens; see :meth:`.RetractableScorer.retract`."""
        (self._static or self._beam_cache).retract(common_count(counts))

    def _follow(self, move: RowTransition) -> None:
        self._beam_cache.reorder(move)
        if move.remaining is None:
            return
        if self._keeps_windows:
            self._windows = self._windows[move.remaining]
            return
        self._cross = [pair[:, move.remaining] for pair in self._cross]
        self._log_counts = None if self._log_counts is None else self._log_counts[move.remaining]

    def _to_static(self, move: RowTransition) -> StaticSteps:
        """Return the steps to come in fixed shapes, after the latest ``move``."""
        decoder, counts, length = self._decoder, self._log_counts, self._cross[0].shape[3]
        is_folded = self._cross[0].shape[4] > decoder.width // decoder.heads
        is_whole = counts is None and not is_folded and length == decoder.audio_context
        bias = None if counts is None else counts[:, None, None].to(decoder.dtype)
        pairs = [*self._cross] if self._keeps_windows else self._cross
        sources = Sources(pairs, bias, decoder.width // decoder.heads if is_folded else None)
        start = Start(self._beam_cache.contents(), sources, length if is_whole else None, move)
        sizes = DecoderSizes(1, decoder.size, decoder.context)
        workspaces = _WORKSPACES.setdefault(decoder, Workspaces())
        steps = StaticSteps(workspaces, sizes, start, compacts=not self._keeps_windows)
        self._beam_cache = BeamCache(self.rows)  # its memory is free
        return steps

    def _forward(self, tokens: Tensor) -> Tensor:
        self._beam_cache.start_step(tokens.shape[1])
        layout = self._layout()

        def attend_to_window(q: Tensor, layer: int) -> Tensor:
            return self._cross_attend(q, self._cross[layer], layout)

        return self._run_layers(tokens, self._beam_cache, attend_to_window)

    def _run_static(self, tokens: Tensor, cache: StaticBeamCache, sources: Sources) -> Tensor:
        """See :data:`.static_steps.Forward`."""
        cache.start_step()

        def attend_to_window(q: Tensor, layer: int) -> Tensor:
            keys, values = sources.pairs[layer]
            queries = q.view(cache.n, cache.b, self._decoder.heads, -1).transpose(1, 2)
            out = attend(queries, keys, values, sources.bias)
            return out.transpose(1, 2).reshape(q.shape)

        return self._logits(self._run_layers(tokens, cache, attend_to_window)[:, -1])[None]

    def _run_layers(self, tokens: Tensor, cache: AnyBeamCache, attend_to_window: CrossAttention) -> Tensor:
        """Run the decoder over the next ``tokens`` (R, t); returns hidden states (R, t, d)."""
        decoder = self._decoder
        x: Tensor = decoder.tokens(tokens) + cache.take_positions(decoder.positions)
        for i, layer in enumerate(decoder.layers):
            x = x + layer.attn_out(self._attend_to_past(layer.qkv(layer.attn_ln(x)), i, cache))
            x = x + layer.cross_out(attend_to_window(layer.cross_q(layer.cross_ln(x)), i))
            x = x + layer.mlp_out(layer.mlp_in(layer.mlp_ln(x)))
        return x

    def _attend_to_past(self, qkv: Tensor, layer: int, cache: AnyBeamCache) -> Tensor:
        """Return self-attention of queries, keys and values (R, t, 3 d) over the cache, which it extends."""
        rows, t, _ = qkv.shape
        q, k, v = qkv.view(rows, t, 3, self._decoder.heads, -1).permute(2, 0, 3, 1, 4)
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
