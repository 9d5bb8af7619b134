"""Key-value caches that are reordered with the beam.

Transformers appends to a cache by concatenation and reorders it by a second copy of everything. Here an
append writes into a buffer with spare capacity, and a reordering is one gather into a second buffer, or
nothing at all where every row continues itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from components.decoding.moves import RowLayout, RowTransition

_INITIAL_CAPACITY = 32
"""Positions of a new buffer; the capacity doubles when it is used up."""


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Self-attention keys and values of one layer, in buffers (capacity, R, H, d) with spare capacity.

    Keys and values may differ in H and d (DeepSeek keeps the latent that both are computed from).
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._length = 0
        self._buffers: list[Tensor] = []
        self._spare: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append keys and values (R, H, t, d); return views (R, H, length + t, d) of all of them."""
        new = [states.permute(2, 0, 1, 3) for states in (key_states, value_states)]
        end = self._length + new[0].shape[0]
        if not self._buffers or end > self._buffers[0].shape[0]:
            self._grow(new, max(2 * end, _INITIAL_CAPACITY))
        for buffer, states in zip(self._buffers, new, strict=True):
            buffer[self._length : end] = states
        self._length, self.is_initialized = end, True
        self.keys, self.values = (buffer[:end].permute(1, 2, 0, 3) for buffer in self._buffers)
        return self.keys, self.values

    def _grow(self, like: list[Tensor], capacity: int) -> None:
        grown = [states.new_empty((capacity, *states.shape[1:])) for states in like]
        for target, old in zip(grown, self._buffers, strict=False):
            target[: self._length] = old[: self._length]
        self._buffers, self._spare = grown, []

    def reorder(self, beam_indices: Tensor) -> None:
        """Make row r a copy of row ``beam_indices[r]``."""
        if not self._spare or self._spare[0].shape[:2] != (self._buffers[0].shape[0], len(beam_indices)):
            self._spare = [b.new_empty((b.shape[0], len(beam_indices), *b.shape[2:])) for b in self._buffers]
        for buffer, spare in zip(self._buffers, self._spare, strict=True):
            torch.index_select(buffer[: self._length], 1, beam_indices, out=spare[: self._length])
        self._buffers, self._spare = self._spare, self._buffers

    def shorten(self, count: int) -> None:
        """Forget the last ``count`` positions."""
        self._length -= count

    def get_seq_length(self) -> int:
        """Return the number of positions in the cache."""
        return self._length


class CrossAttentionLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Cross-attention keys and values (n, H, S, d) of one layer, one copy per utterance where possible."""

    def select_rows(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        assert self.keys is not None
        assert self.values is not None
        self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)


def growing_cache() -> Cache:
    """Return a cache for a decoder-only model; layers are added as they are used."""
    return Cache(layer_class_to_replicate=GrowingLayer)


class GrowingPast:
    """The past of an encoder-decoder model's rows, one cache each.

    Attributes:
        cache: self-attention, as transformers reads it.
    """

    def __init__(self, rows: RowLayout) -> None:
        """Nothing is known of the ``rows`` yet."""
        self.cache = growing_cache()

    def reorder(self, move: RowTransition) -> None:
        """Follow a move of the rows."""
        if not move.is_identity:
            reorder(self.cache, move.beam_indices)

    def retract(self, count: int) -> None:
        """Forget the last ``count`` tokens of every row."""
        shorten(self.cache, count)

    @contextmanager
    def step(self, t: int) -> Iterator[dict[str, Tensor]]:
        """Run a step of ``t`` tokens of each row within the block; gives arguments of the model."""
        yield {}


def reorder(cache: Any, beam_indices: Tensor) -> None:
    """Make row r of every :class:`GrowingLayer` of ``cache`` a copy of row ``beam_indices[r]``."""
    for layer in cache.layers:
        layer.reorder(beam_indices)


def shorten(cache: Any, count: int) -> None:
    """Forget the last ``count`` positions of every :class:`GrowingLayer` of ``cache``."""
    for layer in cache.layers:
        layer.shorten(count)


def keys_and_values_of(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Return keys and values (R, H, length, d) of every layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def select_rows(cache: Any, rows: Tensor) -> None:
    """Keep these rows of every :class:`CrossAttentionLayer` of ``cache``, in this order."""
    for layer in cache.layers:
        layer.select_rows(rows)


def cache_argument(model: torch.nn.Module) -> str:
    """Name the cache of ``model.forward``: "past_key_values" until transformers 5.23, "cache" after."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
