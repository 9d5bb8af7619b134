"""Token scorer from openai-whisper's text decoder (Radford et al., 2022, arXiv:2212.04356).

Keys and values of the cross-attention are computed once per 30-second window and shared by all its rows;
those of the self-attention live in a preallocated cache that is reordered with the beam; only the last
position's logits are computed; the cross-attention states of a finished window are overwritten by one still
open.

Letters in shapes: N windows, R rows, T encoder positions, P prompt tokens, V tokens of the vocabulary, d
model width, d_h = d / heads.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from components.compute.layers.folded_mask import attend
from components.compute.openai_whisper import Tokenizer
from components.decoding.models.whisper_decoder import WhisperDecoder
from components.decoding.scorers import Vocabulary, digest_of, hide_last


@cache
def _digest(name: str, languages: int) -> str:
    from components.compute.openai_whisper import get_encoding  # noqa: PLC0415 - reads the vocabulary, once per process

    encoding = get_encoding(name, languages)
    pieces = {repr(encoding.decode_single_token_bytes(i)): i for i in range(encoding.n_vocab)}
    return digest_of(pieces)


def vocabulary_of(tokenizer: Tokenizer, size: int) -> Vocabulary:
    """Return Whisper's output tokens: end-of-text ends a sequence and pads."""
    name = tokenizer.encoding.name.removesuffix(".tiktoken")
    digest = _digest(name, tokenizer.num_languages)
    return Vocabulary(size=size, eos=(tokenizer.eot,), pad=tokenizer.eot, digest=digest)


class WhisperTokenScorer:
    """The :class:`.scorers.TokenScorer` of N windows with their prompts.

    Attributes:
        no_speech: probability of the no-speech token of each window (N,), after :meth:`prefill`.
    """

    is_ragged = True

    def __init__(
        self,
        decoder: WhisperDecoder,
        tokenizer: Tokenizer,
        cross: list[Tensor],
        prompts: Tensor,
        counts: Tensor | None = None,
        keeps_windows: bool = False,
    ) -> None:
        """Prepare a search.

        Args:
            decoder: the weights.
            tokenizer: names the special tokens.
            cross: of the N windows, from :meth:`WhisperDecoder.cross_attention_states`; the search overwrites
                those of finished windows, or moves them.
            prompts: prompt tokens (N, P), with start-of-transcript at the same position in all.
            counts: logarithm of the number of positions that each encoded one stands for (N, T); None: each
                for itself, or ``cross`` holds it.
            keeps_windows: whether :meth:`windows` is read after the search.
        """
        self.name = "whisper"
        self.vocabulary = vocabulary_of(tokenizer, decoder.size)
        self.limit = decoder.context - prompts.shape[1]
        self.no_speech = torch.zeros(len(prompts))
        self._decoder, self._tokenizer, self._cross, self._prompts = decoder, tokenizer, cross, prompts
        self._log_counts, self._keeps_windows = counts, keeps_windows
        self._length = 0
        self._cache: list[Tensor] = []
        self._visible: Tensor | None = None  # (R, length): what rows that differ in length have not forgotten
        self._owners = torch.arange(len(prompts))
        self._slots = torch.arange(len(prompts))

    def prefill(self) -> Tensor:
        """Run the prompts; see :meth:`.TokenScorer.prefill`."""
        prompts = self._prompts
        sot = int((prompts[0] == self._tokenizer.sot).nonzero()[0, 0])
        hidden = self._forward(prompts)
        ends = self._logits(hidden[:, [sot, -1]])
        if self._tokenizer.no_speech is not None:
            self.no_speech = ends[:, 0].softmax(-1)[:, self._tokenizer.no_speech].cpu()
        return ends[:, 1]

    def step(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the cache and run one position; see :meth:`.TokenScorer.step`."""
        return self.step_many(beam_indices, tokens[:, None])

    def step_many(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Reorder the cache and run the positions of ``tokens`` (R, t); returns (R, V)."""
        self._reorder(beam_indices)
        return self._logits(self._forward(tokens)[:, -1])

    def score_tokens(self, beam_indices: Tensor, tokens: Tensor) -> Tensor:
        """Return the same with the scores after every token, (R, t, V)."""
        self._reorder(beam_indices)
        return self._logits(self._forward(tokens))

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens of row r; see :meth:`.RetractableScorer.retract`."""
        common = int(counts.min())
        if self._visible is not None or common < int(counts.max()):
            rows = counts.new_ones((len(counts), self._length), dtype=torch.bool)
            visible = hide_last(rows if self._visible is None else self._visible, counts)
            common = self._length - int(visible.any(dim=0).nonzero().max()) - 1
            visible = visible[:, : self._length - common]
            self._visible = None if bool(visible.all()) else visible
        self._length -= common

    def windows(self) -> tuple[list[Tensor], Tensor | None, Tensor]:
        """Cross-attention states and log counts of the windows, and in which slot (N,) each of them is."""
        return self._cross, self._log_counts, self._slots

    def _reorder(self, beam_indices: Tensor) -> None:
        if not torch.equal(beam_indices, torch.arange(self._cache[0].shape[1], device=beam_indices.device)):
            used = self._length
            for i, past in enumerate(self._cache):
                moved = past.new_empty(2, len(beam_indices), *past.shape[2:])
                moved[:, :, :, :used] = past[:, :, :, :used].index_select(1, beam_indices)
                self._cache[i] = moved
            self._drop_finished_windows(self._owners[beam_indices.cpu()])
            if self._visible is not None:
                self._visible = self._visible[beam_indices]

    def _drop_finished_windows(self, owners: Tensor) -> None:
        """Move the windows that still have rows to the first slots of the cross-attention states."""
        self._owners = owners
        alive = torch.unique(owners).tolist()
        taken = {int(self._slots[w]) for w in alive}
        free = [slot for slot in range(len(alive)) if slot not in taken]
        for window in alive:
            slot = int(self._slots[window])
            if slot >= len(alive):
                target = free.pop()
                for pair in self._cross:
                    self._move(pair, slot, target, dim=1)
                if self._log_counts is not None:
                    self._move(self._log_counts, slot, target, dim=0)
                if self._keeps_windows:
                    self._slots[self._slots == target] = slot
                self._slots[window] = target

    def _move(self, states: Tensor, slot: int, target: int, dim: int) -> None:
        """Overwrite a window's states by another's, or exchange them, in place."""
        source, goal = states.select(dim, slot), states.select(dim, target)
        overwritten = goal.clone() if self._keeps_windows else None
        goal.copy_(source)
        if overwritten is not None:
            source.copy_(overwritten)

    def _logits(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self._decoder.head(self._decoder.norm(hidden)).float()
        return logits

    def _forward(self, tokens: Tensor) -> Tensor:
        """Run the decoder over ``tokens`` (R, t) at the next positions; returns hidden states (R, t, d)."""
        decoder, start = self._decoder, self._length
        stop = start + tokens.shape[1]
        if not self._cache or self._cache[0].shape[3] < stop:
            self._grow(len(tokens), stop)
        x: Tensor = decoder.tokens(tokens) + self._positions(start, stop)
        layout, mask = self._layout(), self._mask(len(tokens), start, stop)
        for i, layer in enumerate(decoder.layers):
            x = x + layer.attn_out(
                self._self_attend(layer.qkv(layer.attn_ln(x)), self._cache[i], start, mask)
            )
            x = x + layer.cross_out(
                self._cross_attend(layer.cross_q(layer.cross_ln(x)), self._cross[i], layout)
            )
            x = x + layer.mlp_out(layer.mlp_in(layer.mlp_ln(x)))
        self._length = stop
        return x

    def _positions(self, start: int, stop: int) -> Tensor:
        """Position embeddings (t, d) of the next tokens, or (R, t, d) where rows differ in length."""
        positions: Tensor = self._decoder.positions
        if self._visible is None:
            return positions[start:stop]
        lengths = self._visible.sum(dim=1, keepdim=True)
        return positions[lengths + torch.arange(stop - start, device=lengths.device)]

    def _mask(self, rows: int, start: int, stop: int) -> Tensor | None:
        """What the next tokens attend to: (t, stop), or (R, 1, t, stop) where rows differ in length."""
        t, device = stop - start, self._decoder.device
        if self._visible is None:
            return torch.ones(t, stop, dtype=torch.bool, device=device).tril(start) if t > 1 else None
        own = torch.ones(rows, t, t, dtype=torch.bool, device=device).tril()
        mask = torch.cat([self._visible[:, None].expand(-1, t, -1), own], dim=2)
        self._visible = mask[:, -1]
        return mask[:, None]

    def _grow(self, rows: int, stop: int) -> None:
        """Make the cache (2, R, heads, capacity, d_h) hold ``stop`` positions and more: copies stay rare."""
        decoder = self._decoder
        capacity = max(stop, min(max(64, 2 * stop), decoder.context))
        shape = (2, rows, decoder.heads, capacity, decoder.width // decoder.heads)
        grown = [torch.empty(shape, dtype=decoder.dtype, device=decoder.device) for _ in decoder.layers]
        for new, old in zip(grown, self._cache, strict=False):
            new[:, :, :, : self._length] = old[:, :, :, : self._length]
        self._cache = grown

    def _self_attend(self, qkv: Tensor, past: Tensor, start: int, mask: Tensor | None) -> Tensor:
        """Causal self-attention of queries, keys and values (R, t, 3 d) over the cache, which it extends."""
        rows, t, _ = qkv.shape
        q, k, v = qkv.view(rows, t, 3, self._decoder.heads, -1).permute(2, 0, 3, 1, 4)
        past[0, :, :, start : start + t], past[1, :, :, start : start + t] = k, v
        keys, values = past[:, :, :, : start + t]
        out = functional.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return out.transpose(1, 2).flatten(2)

    def _layout(self) -> tuple[int, int, Tensor | None]:
        """Windows n, rows per window b, each row's cell in a grid of n x b (None: they fill it in order)."""
        owners = self._owners
        alive, counts = torch.unique(owners, return_counts=True)
        n, b = len(alive), int(counts.max())
        first = torch.cumsum(counts, 0) - counts
        within = torch.arange(len(owners)) - first.repeat_interleave(counts)
        cells = self._slots[owners] * b + within
        in_order = len(owners) == n * b and torch.equal(cells, torch.arange(n * b))
        return n, b, None if in_order else cells.to(self._decoder.device)

    def _cross_attend(self, q: Tensor, pair: Tensor, layout: tuple[int, int, Tensor | None]) -> Tensor:
        """Return cross-attention of queries (R, t, d): the rows of a window share its keys and values."""
        n, b, cells = layout
        t, heads = q.shape[1], self._decoder.heads
        if cells is not None:
            q = q.new_zeros(n * b, t, q.shape[2]).index_copy_(0, cells, q)
        q = q.reshape(n, b * t, heads, -1)
        keys, values = pair[:, :n]
        counts = None if self._log_counts is None else self._log_counts[:n, None]
        if self._decoder.attend is not None:  # a few queries to many keys
            counts = q.new_zeros(1, 1, keys.shape[2]) if counts is None else counts
            out = self._decoder.attend(q, keys, values, counts)
        else:
            out = attend(q.transpose(1, 2), keys, values, None if counts is None else counts[:, None])
            out = out.transpose(1, 2).flatten(2)
        out = out.reshape(n * b, t, -1)
        return out if cells is None else out[cells]
