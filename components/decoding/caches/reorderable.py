"""Which models a search can reorder: those that keep keys and values alone."""

from __future__ import annotations

import inspect
from typing import Any

from components.errors import ModelError

_ATTENTION_LAYER_TYPES = {"full_attention", "sliding_attention", "chunked_attention"}
"""Layer types of transformers that keep keys and values; which of them a token sees is up to its mask."""


def require_reorderable(model: Any, name: str) -> None:
    """Raise a ModelError unless a decoder-only model keeps keys and values and no other state."""
    if not {"past_key_values", "cache"} & inspect.signature(model.forward).parameters.keys():
        fault = "one that takes no cache of keys and values"
    else:
        kinds = set(getattr(model.config.get_text_config(decoder=True), "layer_types", None) or ())
        if not getattr(model, "_is_stateful", False) and kinds <= _ATTENTION_LAYER_TYPES:
            return
        others = ", ".join(sorted(kinds - _ATTENTION_LAYER_TYPES)) or "recurrent"
        fault = f"one that keeps other states ({others})"
    raise ModelError(
        f"{name}: expected a model whose layers keep keys and values, which a search can reorder, found "
        f"{type(model).__name__}, {fault}: use one whose layers all attend, such as Llama, Qwen3 or Gemma 3"
    )
