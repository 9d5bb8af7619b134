"""Marian's text decoder as a member of the search, on packed layers (Junczys-Dowmunt et al., 2018).

The rows of an utterance share one store of self-attention keys and values: every row adds its own and sees,
through a mask, those of its ancestors. So nothing is copied when the beam reorders its rows, and the rows of
an utterance are asked together in one product, as they are for the source, whose keys and values are
computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import MarianMTModel

from components.kernels.cross_attention import cross_attention_kernel
from components.kernels.fused_qkv import fused_qkv_of

_ROOM = 64
"""Places for keys and values when a store is made; the room doubles when it is used up."""


@dataclass(frozen=True)
class _Layout:
    """Rows as a grid: n utterances of at most b rows; ``places`` (R,) of the rows in it, None: in order."""

    n: int
    b: int
    positions: Tensor | None

    def spread(self, rows: Tensor) -> Tensor:
        """(R, ...) -> (n, b, ...); what no row fills is 0."""
        if self.positions is not None:
            rows = rows.new_zeros((self.n * self.b, *rows.shape[1:])).index_copy_(0, self.positions, rows)
        return rows.view(self.n, self.b, *rows.shape[1:])

    def gather(self, grid: Tensor) -> Tensor:
        """(n, b, ...) -> (R, ...)."""
        rows = grid.flatten(0, 1)
        return rows if self.positions is None else rows[self.positions]


def arrange_rows(owners: Tensor, n: int) -> _Layout:
    """``owners`` (R,), ascending, are the utterances of the rows; every one of the n has a row."""
    counts = torch.bincount(owners, minlength=n)
    b = int(counts.max())
    if n * b == len(owners):
        return _Layout(n, b, None)
    within = torch.arange(len(owners)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return _Layout(n, b, owners * b + within)


class MarianDecoderState:
    """The rows of one batch in the decoder of ``model``, whose layers are packed and joined.

    ``encoded`` (N, S, d) is the encoder's output, ``mask`` (N, S) is 0 at padding, or None.
    """

    def __init__(self, model: MarianMTModel, encoded: Tensor, mask: Tensor | None) -> None:
        decoder: Any = model.model.decoder
        self._decoder, self._heads = decoder, model.config.decoder_attention_heads
        self._width = model.config.d_model // self._heads
        self._attend = cross_attention_kernel(self._width, encoded.dtype)
        self._owners = torch.arange(len(encoded))
        self._n, self._steps, self._used = len(encoded), 0, 0
        self._visible = torch.zeros((len(encoded), 0), dtype=torch.bool)
        self._stores: list[Tensor] = []
        cross = [
            (layer.encoder_attn.k_proj(encoded), layer.encoder_attn.v_proj(encoded))
            for layer in decoder.layers
        ]
        self._sources = [torch.stack([self._split(k), self._split(v)]) for k, v in cross]
        visible = torch.ones(encoded.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        self._source_mask = _to_additive_mask(visible)[:, None]

    def _split(self, states: Tensor) -> Tensor:
        """(n, S, d) -> (n, H, S, d / H), contiguous."""
        return states.view(*states.shape[:2], self._heads, -1).transpose(1, 2).contiguous()

    def reorder(self, beam_indices: Tensor) -> None:
        """Row r becomes a copy of row ``parents[r]``; utterances without rows are dropped."""
        self._owners, self._visible = self._owners[beam_indices], self._visible[beam_indices]
        remaining, owners = torch.unique_consecutive(self._owners, return_inverse=True)
        if len(remaining) < self._n:
            self._n, self._owners = len(remaining), owners
            self._stores = [store[:, remaining] for store in self._stores]
            self._sources = [source[:, remaining] for source in self._sources]
            self._source_mask = self._source_mask[remaining]

    def step(self, tokens: Tensor) -> Tensor:
        """Tokens (R, t) at the next t positions -> their hidden states (R, t, d)."""
        decoder, t = self._decoder, tokens.shape[1]
        layout = arrange_rows(self._owners, self._n)
        self._compact(layout)
        mask = self._mask(layout, t)
        positions = decoder.embed_positions.weight[self._steps : self._steps + t]
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
        """Drop keys and values that no row sees any more, where that is most of them."""
        alive = layout.spread(self._visible).any(dim=1)  # (n, places)
        n_kept = int(alive.sum(dim=1).max())
        if self._used < _ROOM // 2 or self._used < 2 * n_kept:
            return
        order = alive.int().argsort(dim=1, descending=True, stable=True)[:, :n_kept]
        self._visible = self._visible.gather(1, order[self._owners])
        for i, store in enumerate(self._stores):
            compacted = store.new_empty((*store.shape[:3], max(_ROOM, 2 * n_kept), store.shape[4]))
            for utterance, positions in enumerate(order):
                compacted[:, utterance, :, :n_kept] = store[:, utterance].index_select(2, positions)
            self._stores[i] = compacted
        self._used = n_kept

    def _mask(self, layout: _Layout, t: int) -> Tensor:
        """What the t positions of every row see, (n, b * t, places), as 0 and -inf; rows keep it."""
        positions = torch.arange(len(self._owners)) if layout.positions is None else layout.positions
        new_positions = torch.arange(layout.b * t)
        own = (new_positions // t) == (positions % layout.b)[:, None]
        until = (new_positions % t) <= torch.arange(t)[:, None]
        visible = torch.cat([self._visible[:, None].expand(-1, t, -1), own[:, None] & until], dim=2)
        self._visible = visible[:, -1]
        grid = layout.spread(visible)
        if layout.positions is not None:
            grid[..., 0] |= ~grid.any(-1)  # a place without a row sees something, or it becomes NaN
        return _to_additive_mask(grid.flatten(1, 2))

    def _self_attend(self, attention: Any, i: int, x: Tensor, layout: _Layout, mask: Tensor) -> Tensor:
        """Self-attention (R, t, d) over the store of layer ``i``, which it extends."""
        grid = layout.spread(fused_qkv_of(attention)(x)).view(layout.n, -1, 3, self._heads, self._width)
        end = self._used + grid.shape[1]
        self._make_room(i, end, grid)
        store = self._stores[i]
        store[:, :, :, self._used : end] = grid[:, :, 1:].permute(2, 0, 3, 1, 4)
        keys, values = store[:, :, :, :end]
        out = self._attend(grid[:, :, 0], keys, values, mask)
        return self._project_output(attention, out, layout)

    def _cross_attend(self, attention: Any, i: int, x: Tensor, layout: _Layout) -> Tensor:
        """Attention (R, t, d) over the source."""
        grid = layout.spread(attention.q_proj(x)).view(layout.n, -1, self._heads, self._width)
        keys, values = self._sources[i]
        return self._project_output(attention, self._attend(grid, keys, values, self._source_mask), layout)

    def _project_output(self, attention: Any, out: Tensor, layout: _Layout) -> Tensor:
        """Outputs (n, b * t, d) of the heads -> (R, t, d)."""
        out = layout.gather(out.view(layout.n, layout.b, -1, out.shape[-1]))
        return attention.out_proj(out)  # type: ignore[no-any-return]

    def _make_room(self, i: int, n_positions: int, like: Tensor) -> None:
        """Room for ``wanted`` places and more in layer ``i``: (2, n, H, room, d / H)."""
        if i < len(self._stores) and self._stores[i].shape[3] >= n_positions:
            return
        grown = like.new_empty((2, self._n, self._heads, max(_ROOM, 2 * n_positions), self._width))
        if i < len(self._stores):
            grown[:, :, :, : self._used] = self._stores[i][:, :, :, : self._used]
            self._stores[i] = grown
        else:
            self._stores.append(grown)


def _add_and_normalize(norm: Any, update: Tensor, x: Tensor) -> Tensor:
    return functional.layer_norm(update.add_(x), norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _to_additive_mask(visible: Tensor) -> Tensor:
    """True -> 0, False -> -inf."""
    return torch.zeros(visible.shape).masked_fill_(~visible, -torch.inf)
