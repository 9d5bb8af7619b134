"""Key-value caches that follow the rows of a search.

Transformers appends to a cache by concatenation and reorders it by a second copy of everything. Here the
append writes into a buffer with room to grow, and the reorder is one gather into a second buffer, or nothing
at all when every row continues itself.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer, EncoderDecoderCache

from components.errors import ModelError

_ATTENTION_LAYER_TYPES = {"full_attention", "sliding_attention", "chunked_attention"}
"""Kinds of layers that keep keys and values; which of them a token sees is a matter of its mask."""
_INITIAL_CAPACITY = 32
"""Positions of free room when a buffer is made; the room doubles when it is used up."""


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Self-attention keys and values of one layer: buffers (capacity, R, H, d), views (R, H, length, d).

    Keys and values may differ in H and d (DeepSeek keeps what both are made of).
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._length = 0
        self._buffers: list[Tensor] = []
        self._spare: list[Tensor] = []

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append (R, H, t, d) keys and values; return all of them as views (R, H, length + t, d)."""
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
        """Row r becomes a copy of row ``parents[r]``."""
        if not self._spare or self._spare[0].shape[:2] != (self._buffers[0].shape[0], len(beam_indices)):
            self._spare = [b.new_empty((b.shape[0], len(beam_indices), *b.shape[2:])) for b in self._buffers]
        for buffer, spare in zip(self._buffers, self._spare, strict=True):
            torch.index_select(buffer[: self._length], 1, beam_indices, out=spare[: self._length])
        self._buffers, self._spare = self._spare, self._buffers

    def get_seq_length(self) -> int:
        """Positions held."""
        return self._length


class CrossAttentionLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Cross-attention keys and values of one layer (n, H, S, d), one copy per utterance where possible."""

    def select_rows(self, rows: Tensor) -> None:
        """Keep these rows, in this order."""
        assert self.keys is not None
        assert self.values is not None
        self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)


def growing_cache() -> Cache:
    """A cache of a decoder-only model; layers come as they are used."""
    return Cache(layer_class_to_replicate=GrowingLayer)


def encoder_decoder_cache() -> EncoderDecoderCache:
    """A cache of an encoder-decoder model: growing self-attention, fixed cross-attention."""
    return EncoderDecoderCache(growing_cache(), Cache(layer_class_to_replicate=CrossAttentionLayer))


def reorder(cache: Any, beam_indices: Tensor, n_rows: int) -> None:
    """Reorder every growing layer of ``cache``, of ``n_rows`` rows now, to ``parents``."""
    if len(beam_indices) == n_rows and bool(
        (beam_indices == torch.arange(n_rows, device=beam_indices.device)).all()
    ):
        return
    for layer in cache.layers:
        layer.reorder(beam_indices)


def keys_and_values_of(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Keys and values (R, H, length, d) of every layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def select_rows(cache: Any, rows: Tensor) -> None:
    """Keep these rows of every source layer of ``cache``."""
    for layer in cache.layers:
        layer.select_rows(rows)


def require_reorderable(model: Any, name: str) -> None:
    """ModelError unless a decoder-only model keeps keys and values alone, which can follow the rows."""
    if not {"past_key_values", "cache"} & inspect.signature(model.forward).parameters.keys():
        fault = "one that takes no cache of keys and values"
    else:
        kinds = set(getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ())
        if not getattr(model, "_is_stateful", False) and kinds <= _ATTENTION_LAYER_TYPES:
            return
        fault = f"one that keeps other states ({', '.join(sorted(kinds - _ATTENTION_LAYER_TYPES)) or 'recurrent'})"
    raise ModelError(
        f"{name}: expected a model whose layers keep keys and values, which a search can reorder, found "
        f"{type(model).__name__}, {fault}: use one whose layers all attend, such as Llama, Qwen3 or Gemma 3"
    )


def cache_argument(model: torch.nn.Module) -> str:
    """How ``model.forward`` calls its cache: "past_key_values" until transformers 5.23, "cache" after."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
