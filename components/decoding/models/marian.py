"""Marian's text decoder (Junczys-Dowmunt et al., 2018) on packed layers, with a cache shared by the beam.

The rows of an utterance share one cache of self-attention keys and values: every row appends its own and
attends, through a mask, to those of its ancestors. So nothing is copied when the beam is reordered, and the
queries of an utterance's rows are computed in one product, in self-attention as in cross-attention, whose
keys and values are computed once.

Letters in shapes: n utterances with b rows each at most, R rows, H heads, d model width, S source positions,
P cached positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import MarianMTModel

from components.compute.layers.attention import cross_attention_kernel
from components.compute.layers.fused_qkv import find_fused_qkv
from components.decoding.scorers import hide_last

_INITIAL_CAPACITY = 64
"""Positions of a new cache; the capacity doubles when it is used up."""


@dataclass(frozen=True)
class _Layout:
    """R rows in a grid of n utterances by b rows.

    Attributes:
        n: number of utterances.
        b: the largest number of rows of an utterance.
        cells: index of each row in the flattened grid (R,); None where the rows fill it in order.
    """

    n: int
    b: int
    cells: Tensor | None

    def spread(self, rows: Tensor) -> Tensor:
        """(R, ...) -> (n, b, ...); empty cells are 0."""
        if self.cells is not None:
            rows = rows.new_zeros((self.n * self.b, *rows.shape[1:])).index_copy_(0, self.cells, rows)
        return rows.view(self.n, self.b, *rows.shape[1:])

    def gather(self, grid: Tensor) -> Tensor:
        """(n, b, ...) -> (R, ...)."""
        rows = grid.flatten(0, 1)
        return rows if self.cells is None else rows[self.cells]


def _arrange_rows(owners: Tensor, n: int) -> _Layout:
    """Return the grid of rows whose utterances are ``owners`` (R,), ascending; each of the n has a row."""
    counts = torch.bincount(owners, minlength=n)
    b = int(counts.max())
    if n * b == len(owners):
        return _Layout(n, b, None)
    within = torch.arange(len(owners)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return _Layout(n, b, owners * b + within)


class MarianDecoderState:
    """The rows of one batch in a decoder of packed layers, with their cache."""

    def __init__(self, model: MarianMTModel, encoded: Tensor, mask: Tensor | None) -> None:
        """Compute the keys and values of the source.

        Args:
            model: its layers are packed, and its self-attention projections fused.
            encoded: the encoder's output (n, S, d).
            mask: 0 at padding (n, S); None where there is none.
        """
        decoder: Any = model.model.decoder
        self._decoder, self._heads = decoder, model.config.decoder_attention_heads
        self._width = model.config.d_model // self._heads
        self._attend = cross_attention_kernel(self._width, encoded.dtype)
        self._owners = torch.arange(len(encoded))
        self._n, self._used = len(encoded), 0
        self._steps = torch.zeros(len(encoded), dtype=torch.long)
        self._visible = torch.zeros((len(encoded), 0), dtype=torch.bool)
        self._self_states: list[Tensor] = []
        cross = [
            (layer.encoder_attn.k_proj(encoded), layer.encoder_attn.v_proj(encoded))
            for layer in decoder.layers
        ]
        self._cross_states = [torch.stack([self._split(k), self._split(v)]) for k, v in cross]
        visible = torch.ones(encoded.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        self._source_mask = _to_additive_mask(visible)[:, None]

    def _split(self, states: Tensor) -> Tensor:
        """(n, S, d) -> (n, H, S, d / H), contiguous."""
        return states.view(*states.shape[:2], self._heads, -1).transpose(1, 2).contiguous()

    def reorder(self, beam_indices: Tensor) -> None:
        """Make row r a copy of row ``beam_indices[r]``; utterances without rows are dropped."""
        self._owners, self._visible = self._owners[beam_indices], self._visible[beam_indices]
        self._steps = self._steps[beam_indices]
        remaining, owners = torch.unique_consecutive(self._owners, return_inverse=True)
        if len(remaining) < self._n:
            self._n, self._owners = len(remaining), owners
            self._self_states = [states[:, remaining] for states in self._self_states]
            self._cross_states = [states[:, remaining] for states in self._cross_states]
            self._source_mask = self._source_mask[remaining]

    def retract(self, counts: Tensor) -> None:
        """Forget the last ``counts[r]`` tokens (R,) of row r."""
        self._visible, self._steps = hide_last(self._visible, counts), self._steps - counts

    def step(self, tokens: Tensor) -> Tensor:
        """Run the decoder over ``tokens`` (R, t) at the next positions; returns hidden states (R, t, d)."""
        decoder, t = self._decoder, tokens.shape[1]
        layout = _arrange_rows(self._owners, self._n)
        self._compact(layout)
        mask = self._mask(layout, t)
        positions = decoder.embed_positions.weight[self._steps[:, None] + torch.arange(t)]
        x = decoder.embed_tokens(tokens) * decoder.embed_scale + positions
        for i, layer in enumerate(decoder.layers):
            x = _add_and_normalize(
                layer.self_attn_layer_norm, self._self_attend(layer.self_attn, i, x, layout, mask), x
            )
            x = _add_and_normalize(
                layer.encoder_attn_layer_norm, self._cross_attend(layer.encoder_attn, i, x, layout), x
            )
            x = _add_and_normalize(layer.final_layer_norm, layer.fc2(layer.activation_fn(layer.fc1(x))), x)
        self._used, self._steps = self._used + t * layout.b, self._steps + t
        states: Tensor = x
        return states

    def _compact(self, layout: _Layout) -> None:
        """Drop keys and values that no row attends to any more, where that is most of them."""
        alive = layout.spread(self._visible).any(dim=1)  # (n, P)
        n_kept = int(alive.sum(dim=1).max())
        if self._used < _INITIAL_CAPACITY // 2 or self._used < 2 * n_kept:
            return
        order = alive.int().argsort(dim=1, descending=True, stable=True)[:, :n_kept]
        self._visible = self._visible.gather(1, order[self._owners])
        for i, states in enumerate(self._self_states):
            capacity = max(_INITIAL_CAPACITY, 2 * n_kept)
            compacted = states.new_empty((*states.shape[:3], capacity, states.shape[4]))
            for utterance, positions in enumerate(order):
                compacted[:, utterance, :, :n_kept] = states[:, utterance].index_select(2, positions)
            self._self_states[i] = compacted
        self._used = n_kept

    def _mask(self, layout: _Layout, t: int) -> Tensor:
        """Additive mask (n, b * t, P + b * t) of t new positions per row: itself and its ancestors."""
        cells = torch.arange(len(self._owners)) if layout.cells is None else layout.cells
        new_positions = torch.arange(layout.b * t)
        own = (new_positions // t) == (cells % layout.b)[:, None]
        until = (new_positions % t) <= torch.arange(t)[:, None]
        visible = torch.cat([self._visible[:, None].expand(-1, t, -1), own[:, None] & until], dim=2)
        self._visible = visible[:, -1]
        return _to_additive_mask(layout.spread(visible).flatten(1, 2))

    def _self_attend(self, attention: Any, i: int, x: Tensor, layout: _Layout, mask: Tensor) -> Tensor:
        """Return self-attention of x (R, t, d) over the cache of layer ``i``, which it extends."""
        grid = layout.spread(find_fused_qkv(attention)(x)).view(layout.n, -1, 3, self._heads, self._width)
        end = self._used + grid.shape[1]
        self._ensure_capacity(i, end, grid)
        states = self._self_states[i]
        states[:, :, :, self._used : end] = grid[:, :, 1:].permute(2, 0, 3, 1, 4)
        keys, values = states[:, :, :, :end]
        out = self._attend(grid[:, :, 0], keys, values, mask)
        return self._project_output(attention, out, layout)

    def _cross_attend(self, attention: Any, i: int, x: Tensor, layout: _Layout) -> Tensor:
        """Return attention of x (R, t, d) over the source."""
        grid = layout.spread(attention.q_proj(x)).view(layout.n, -1, self._heads, self._width)
        keys, values = self._cross_states[i]
        return self._project_output(attention, self._attend(grid, keys, values, self._source_mask), layout)

    def _project_output(self, attention: Any, out: Tensor, layout: _Layout) -> Tensor:
        """Project the heads' outputs (n, b * t, d); returns (R, t, d)."""
        out = layout.gather(out.view(layout.n, layout.b, -1, out.shape[-1]))
        return attention.out_proj(out)  # type: ignore[no-any-return]

    def _ensure_capacity(self, i: int, n_positions: int, like: Tensor) -> None:
        """Make the cache (2, n, H, capacity, d / H) of layer ``i`` hold ``n_positions`` or more."""
        if i < len(self._self_states) and self._self_states[i].shape[3] >= n_positions:
            return
        grown = like.new_empty(
            (2, self._n, self._heads, max(_INITIAL_CAPACITY, 2 * n_positions), self._width)
        )
        if i < len(self._self_states):
            grown[:, :, :, : self._used] = self._self_states[i][:, :, :, : self._used]
            self._self_states[i] = grown
        else:
            self._self_states.append(grown)


def _add_and_normalize(norm: Any, update: Tensor, x: Tensor) -> Tensor:
    return functional.layer_norm(update.add_(x), norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _to_additive_mask(visible: Tensor) -> Tensor:
    """Booleans -> 0 where True, -inf where False."""
    return torch.zeros(visible.shape).masked_fill_(~visible, -torch.inf)
