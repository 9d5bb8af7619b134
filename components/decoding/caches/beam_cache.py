"""Self-attention keys and values that the rows of an utterance share: a beam is reordered without a copy.

Every row appends its own keys and values to its utterance's, and attends, through a mask, to those of its
ancestors (as :mod:`.marian` does on the CPU). So reordering moves a few booleans of each row, and the queries
of an utterance's rows are computed in one product.

Letters in shapes: n utterances with b rows each at most, R rows, H heads, d their width, t new tokens of a
row, P positions in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from components.decoding.caches.shared_attention import attend_to
from components.decoding.moves import RowLayout, RowTransition
from components.decoding.scorers import hide_last

_INITIAL_CAPACITY = 64
"""Positions of a new cache; the capacity doubles when it is used up."""


class CacheContents(NamedTuple):
    """What a cache holds between two steps.

    Attributes:
        states: of each layer the keys and values (2, n, H, U, d) of U columns.
        visible: which columns each row attends to (R, U).
        length: number of tokens of each row.
    """

    states: Sequence[Tensor]
    visible: Tensor
    length: int


class BeamCache:
    """The cache of all layers of one decoder.

    Attributes:
        mask: which positions each query of the present step attends to, (n, 1, b * t, P).
        past: number of tokens of each row before the present step.
        latest_keys: what :meth:`append` gave last.
    """

    def __init__(self, rows: RowLayout) -> None:
        self._rows = rows
        device = rows.owners.device
        self._visible = torch.zeros((rows.n, 0), dtype=torch.bool, device=device)  # (R, P): a row's ancestors
        self._layers: list[Tensor] = []  # of each layer (2, n, H, capacity, d)
        self._used = self._width = self._steps = self.past = 0
        self._own: tuple[tuple[int, int, int], Tensor | None, Tensor] | None = None  # of the step before
        self.mask = self.latest_keys = self._visible

    def reorder(self, move: RowTransition) -> None:
        """Follow a move of the rows; keys and values are copied only where utterances are dropped."""
        if not move.is_identity:
            self._visible = self._visible[move.beam_indices]
        if move.remaining is not None:
            self._layers = [layer[:, move.remaining] for layer in self._layers]

    def retract(self, count: int) -> None:
        """Forget the last ``count`` tokens of every row."""
        counts = torch.full((len(self._visible),), count, device=self._visible.device)
        self._visible, self._steps = hide_last(self._visible, counts), self._steps - count

    def start_step(self, t: int, real: Tensor | None = None) -> None:
        """Make room for ``t`` new tokens of each row; those that are not ``real`` (R, t) are padding."""
        rows, device = self._rows, self._visible.device
        own = seen = self._own_positions(t)
        if real is not None:
            queries, new = (
                torch.arange(t, device=device)[:, None],
                torch.arange(rows.b * t, device=device) % t,
            )
            keys = real[:, new][:, None]
            own, seen = own & keys, own & (keys | (new == queries))  # padding sees itself, or nothing
        past = self._visible[:, None].expand(-1, t, -1)
        grid = self._spread(torch.cat([past, seen], dim=2))  # (n, b, t, P + b * t)
        if rows.cells is not None:
            grid[..., 0] |= ~grid.any(-1)  # an empty cell attends to something, or it becomes NaN
        self.mask = grid.flatten(1, 2)[:, None]
        self._visible = torch.cat([self._visible, own[:, -1]], dim=1)
        self._width = rows.b * t
        self._used += self._width
        self.past, self._steps = self._steps, self._steps + t

    def _own_positions(self, t: int) -> Tensor:
        """Which of an utterance's new positions are each row's own and not after the query (R, t, b * t)."""
        rows, device = self._rows, self._visible.device
        grid = (len(rows.owners), rows.b, t)
        if self._own is None or self._own[0] != grid or self._own[1] is not rows.cells:
            cells = torch.arange(grid[0], device=device) if rows.cells is None else rows.cells
            new = torch.arange(rows.b * t, device=device)
            own = torch.div(new, t, rounding_mode="floor") == (cells % rows.b)[:, None]
            own = own[:, None] & (new % t <= torch.arange(t, device=device)[:, None])
            self._own = (grid, rows.cells, own)
        return self._own[2]

    def take_positions(self, table: Tensor) -> Tensor:
        """Take from a table of positions (T, d) the rows (t, d) of the present step's tokens."""
        return table[self.past : self._steps]

    def contents(self) -> CacheContents:
        """Return what is in it between two steps."""
        return CacheContents(
            [layer[:, :, :, : self._used] for layer in self._layers], self._visible, self._steps
        )

    def append(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values (R, H, t, d) of a layer; returns all of them, (n, H, P, d)."""
        start, like = self._used - self._width, keys
        if layer == len(self._layers) or self._layers[layer].shape[3] < self._used:
            self._grow(layer, like)
        states = self._layers[layer]
        for place, new in zip(states, (keys, values), strict=True):
            grid = self._spread(new).transpose(1, 2)  # (n, H, b, t, d)
            place[:, :, start : self._used] = grid.reshape(*grid.shape[:2], -1, grid.shape[-1])
        self.latest_keys = states[0, :, :, : self._used]
        return self.latest_keys, states[1, :, :, : self._used]

    def stack_queries(self, queries: Tensor) -> Tensor:
        """Return queries (R, H, t, d) by utterance: (n, H, b * t, d)."""
        grid = self._spread(queries).transpose(1, 2)
        return grid.reshape(*grid.shape[:2], -1, grid.shape[-1])

    def to_rows(self, out: Tensor) -> Tensor:
        """Return what an utterance's queries attended to, (n, b * t, H, d), by row: (R, t, H, d)."""
        grid = out.reshape(out.shape[0] * self._rows.b, -1, *out.shape[2:])
        return grid if self._rows.cells is None else grid[self._rows.cells]

    def _spread(self, rows: Tensor) -> Tensor:
        """(R, ...) -> (n, b, ...); empty cells are 0."""
        n, b, cells = self._rows.n, self._rows.b, self._rows.cells
        if cells is not None:
            rows = rows.new_zeros((n * b, *rows.shape[1:])).index_copy_(0, cells, rows)
        return rows.view(n, b, *rows.shape[1:])

    def _grow(self, layer: int, like: Tensor) -> None:
        """Make the cache of a layer hold what is used, and more."""
        start = self._used - self._width
        capacity = max(_INITIAL_CAPACITY, 2 * self._used)
        grown = like.new_empty((2, self._rows.n, like.shape[1], capacity, like.shape[3]))
        if layer < len(self._layers):
            grown[:, :, :, :start] = self._layers[layer][:, :, :, :start]
            self._layers[layer] = grown
        else:
            self._layers.append(grown)


class _Layer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer of a :class:`BeamCache`, as transformers asks for it."""

    def __init__(self, cache: BeamCache, index: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._cache, self._index = cache, index

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append keys and values (R, H, t, d); return those of all positions, (n, H, P, d)."""
        self.keys, self.values = self._cache.append(self._index, key_states, value_states)
        self.is_initialized = True
        return self.keys, self.values

    def get_seq_length(self) -> int:
        """Return the number of tokens of each row before the present step."""
        return self._cache.past


def as_transformers_cache(cache: BeamCache) -> Cache:
    """Return the cache as transformers' decoders take it; they attend by :mod:`.shared_attention`."""
    indices = count()
    return Cache(layer_class_to_replicate=lambda: _Layer(cache, next(indices)))  # type: ignore[arg-type]


class BeamPast:
    """The past of an encoder-decoder model's rows in one cache; see :class:`.kv_cache.GrowingPast`."""

    def __init__(self, rows: RowLayout) -> None:
        self._beam = BeamCache(rows)
        self.cache = as_transformers_cache(self._beam)

    def reorder(self, move: RowTransition) -> None:
        """Follow a move of the rows."""
        self._beam.reorder(move)

    def retract(self, count: int) -> None:
        """Forget the last ``count`` tokens of every row."""
        self._beam.retract(count)

    @contextmanager
    def step(self, t: int) -> Iterator[dict[str, Tensor]]:
        """Run a step of ``t`` tokens of each row within the block; gives arguments of the model."""
        self._beam.start_step(t)
        with attend_to(self._beam):
            yield {"decoder_attention_mask": self._beam.mask}
