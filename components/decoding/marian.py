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

from components.decoding.joining import joint_of
from components.kernels.asking import asker

_ROOM = 64
"""Places for keys and values when a store is made; the room doubles when it is used up."""


@dataclass(frozen=True)
class _Layout:
    """Rows as a grid: n utterances of at most b rows; ``places`` (R,) of the rows in it, None: in order."""

    n: int
    b: int
    places: Tensor | None

    def spread(self, rows: Tensor) -> Tensor:
        """(R, ...) -> (n, b, ...); what no row fills is 0."""
        if self.places is not None:
            rows = rows.new_zeros((self.n * self.b, *rows.shape[1:])).index_copy_(0, self.places, rows)
        return rows.view(self.n, self.b, *rows.shape[1:])

    def gather(self, grid: Tensor) -> Tensor:
        """(n, b, ...) -> (R, ...)."""
        rows = grid.flatten(0, 1)
        return rows if self.places is None else rows[self.places]


def _layout_of(owners: Tensor, n: int) -> _Layout:
    """``owners`` (R,), ascending, are the utterances of the rows; every one of the n has a row."""
    counts = torch.bincount(owners, minlength=n)
    b = int(counts.max())
    if n * b == len(owners):
        return _Layout(n, b, None)
    within = torch.arange(len(owners)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return _Layout(n, b, owners * b + within)


class MarianRows:
    """The rows of one batch in the decoder of ``model``, whose layers are packed and joined.

    ``encoded`` (N, S, d) is the encoder's output, ``mask`` (N, S) is 0 at padding, or None.
    """

    def __init__(self, model: MarianMTModel, encoded: Tensor, mask: Tensor | None) -> None:
        decoder: Any = model.model.decoder
        self._decoder, self._heads = decoder, model.config.decoder_attention_heads
        self._width = model.config.d_model // self._heads
        self._ask = asker(self._width, encoded.dtype)
        self._owners = torch.arange(len(encoded))
        self._n, self._steps, self._used = len(encoded), 0, 0
        self._sees = torch.zeros((len(encoded), 0), dtype=torch.bool)
        self._stores: list[Tensor] = []
        cross = [
            (layer.encoder_attn.k_proj(encoded), layer.encoder_attn.v_proj(encoded))
            for layer in decoder.layers
        ]
        self._sources = [torch.stack([self._split(k), self._split(v)]) for k, v in cross]
        seen = torch.ones(encoded.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        self._hidden = _additive(seen)[:, None]

    def _split(self, states: Tensor) -> Tensor:
        """(n, S, d) -> (n, H, S, d / H), contiguous."""
        return states.view(*states.shape[:2], self._heads, -1).transpose(1, 2).contiguous()

    def follow(self, parents: Tensor) -> None:
        """Row r becomes a copy of row ``parents[r]``; utterances without rows are dropped."""
        self._owners, self._sees = self._owners[parents], self._sees[parents]
        present, owners = torch.unique_consecutive(self._owners, return_inverse=True)
        if len(present) < self._n:
            self._n, self._owners = len(present), owners
            self._stores = [store[:, present] for store in self._stores]
            self._sources = [source[:, present] for source in self._sources]
            self._hidden = self._hidden[present]

    def step(self, tokens: Tensor) -> Tensor:
        """Tokens (R, t) at the next t positions -> their hidden states (R, t, d)."""
        decoder, t = self._decoder, tokens.shape[1]
        layout = _layout_of(self._owners, self._n)
        self._forget(layout)
        mask = self._mask(layout, t)
        positions = decoder.embed_positions.weight[self._steps : self._steps + t]
        x = decoder.embed_tokens(tokens) * decoder.embed_scale + positions
        for i, layer in enumerate(decoder.layers):
            x = _normed(layer.self_attn_layer_norm, self._attend(layer.self_attn, i, x, layout, mask), x)
            x = _normed(layer.encoder_attn_layer_norm, self._look(layer.encoder_attn, i, x, layout), x)
            x = _normed(layer.final_layer_norm, layer.fc2(layer.activation_fn(layer.fc1(x))), x)
        self._used, self._steps = self._used + t * layout.b, self._steps + t
        states: Tensor = x
        return states

    def _forget(self, layout: _Layout) -> None:
        """Drop keys and values that no row sees any more, where that is most of them."""
        alive = layout.spread(self._sees).any(dim=1)  # (n, places)
        most = int(alive.sum(dim=1).max())
        if self._used < _ROOM // 2 or self._used < 2 * most:
            return
        order = alive.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        self._sees = self._sees.gather(1, order[self._owners])
        for i, store in enumerate(self._stores):
            kept = store.new_empty((*store.shape[:3], max(_ROOM, 2 * most), store.shape[4]))
            for utterance, places in enumerate(order):
                kept[:, utterance, :, :most] = store[:, utterance].index_select(2, places)
            self._stores[i] = kept
        self._used = most

    def _mask(self, layout: _Layout, t: int) -> Tensor:
        """What the t positions of every row see, (n, b * t, places), as 0 and -inf; rows keep it."""
        places = torch.arange(len(self._owners)) if layout.places is None else layout.places
        fresh = torch.arange(layout.b * t)
        own = (fresh // t) == (places % layout.b)[:, None]
        until = (fresh % t) <= torch.arange(t)[:, None]
        seen = torch.cat([self._sees[:, None].expand(-1, t, -1), own[:, None] & until], dim=2)
        self._sees = seen[:, -1]
        grid = layout.spread(seen)
        if layout.places is not None:
            grid[..., 0] |= ~grid.any(-1)  # a place without a row sees something, or it becomes NaN
        return _additive(grid.flatten(1, 2))

    def _attend(self, attention: Any, i: int, x: Tensor, layout: _Layout, mask: Tensor) -> Tensor:
        """Self-attention (R, t, d) over the store of layer ``i``, which it extends."""
        grid = layout.spread(joint_of(attention)(x)).view(layout.n, -1, 3, self._heads, self._width)
        end = self._used + grid.shape[1]
        self._make_room(i, end, grid)
        store = self._stores[i]
        store[:, :, :, self._used : end] = grid[:, :, 1:].permute(2, 0, 3, 1, 4)
        keys, values = store[:, :, :, :end]
        out = self._ask(grid[:, :, 0], keys, values, mask)
        return self._gathered(attention, out, layout)

    def _look(self, attention: Any, i: int, x: Tensor, layout: _Layout) -> Tensor:
        """Attention (R, t, d) over the source."""
        grid = layout.spread(attention.q_proj(x)).view(layout.n, -1, self._heads, self._width)
        keys, values = self._sources[i]
        return self._gathered(attention, self._ask(grid, keys, values, self._hidden), layout)

    def _gathered(self, attention: Any, out: Tensor, layout: _Layout) -> Tensor:
        """Outputs (n, b * t, d) of the heads -> (R, t, d)."""
        out = layout.gather(out.view(layout.n, layout.b, -1, out.shape[-1]))
        return attention.out_proj(out)  # type: ignore[no-any-return]

    def _make_room(self, i: int, wanted: int, like: Tensor) -> None:
        """Room for ``wanted`` places and more in layer ``i``: (2, n, H, room, d / H)."""
        if i < len(self._stores) and self._stores[i].shape[3] >= wanted:
            return
        made = like.new_empty((2, self._n, self._heads, max(_ROOM, 2 * wanted), self._width))
        if i < len(self._stores):
            made[:, :, :, : self._used] = self._stores[i][:, :, :, : self._used]
            self._stores[i] = made
        else:
            self._stores.append(made)


def _normed(norm: Any, update: Tensor, x: Tensor) -> Tensor:
    return functional.layer_norm(update.add_(x), norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _additive(seen: Tensor) -> Tensor:
    """True -> 0, False -> -inf."""
    return torch.zeros(seen.shape).masked_fill_(~seen, -torch.inf)
