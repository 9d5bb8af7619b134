"""Cross-attention shared by the beams of an utterance.

The k rows of one utterance attend to the same keys. Instead of copying keys and values k times, their k
queries are stacked: (n * k, H, 1, d) becomes (n, H, k, d). It is torch's scaled dot product attention under a
name of its own, registered with transformers; where there is one query per key set nothing changes. The
self-attention of a beam whose rows share a cache (:mod:`.beam_cache`) is computed in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SHARED_ATTENTION = "antiphon_shared"


class SharedCache(Protocol):
    """A cache of self-attention that the rows of an utterance share (:mod:`.beam_cache`).

    Attributes:
        mask: which positions each query of the present step attends to.
        latest_keys: what it gave last.
    """

    mask: Tensor
    latest_keys: Tensor

    def stack_queries(self, queries: Tensor) -> Tensor:
        """Return queries by utterance."""

    def to_rows(self, out: Tensor) -> Tensor:
        """Return what an utterance's queries attended to, by row."""


_IN_USE: ContextVar[SharedCache | None] = ContextVar("shared cache", default=None)


@contextmanager
def attend_to(cache: SharedCache | None) -> Iterator[None]:
    """Let a decoder of transformers attend to ``cache`` within the block; None: to its own."""
    token = _IN_USE.set(cache)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def attend_shared(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return the scaled dot product attention; the signature is that of transformers' attention functions.

    Args:
        module: the attention layer.
        query: (n * k, H, t, d).
        key: (n, H, S, d), or one per row.
        value: as ``key``.
        attention_mask: additive mask, or None.
        kwargs: what else transformers passes on.

    Returns:
        (n * k, t, H, d), and None in place of the attention weights.
    """
    cache = _IN_USE.get()
    if cache is not None and cache.latest_keys is key:  # the keys that it gave last
        if attention_mask is not cache.mask:
            raise ValueError("expected the mask of the beam's cache, found one that it would ignore")
        kwargs["is_causal"] = False
        queries = cache.stack_queries(query)
        output, _ = sdpa_attention_forward(module, queries, key, value, cache.mask, **kwargs)
        return cache.to_rows(output), None
    rows, n = query.shape[0], key.shape[0]
    if rows == n:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return output, None
    heads, t, width = query.shape[1:]
    kwargs["is_causal"] = False
    if t > 1:  # a scorer that catches up on several tokens, which is rare: copies
        key, value = (states.repeat_interleave(rows // n, dim=0) for states in (key, value))
        if attention_mask is not None and attention_mask.shape[0] == n:
            attention_mask = attention_mask.repeat_interleave(rows // n, dim=0)
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)[0], None
    queries = query.view(n, rows // n, heads, width).transpose(1, 2)
    output, _ = sdpa_attention_forward(module, queries, key, value, attention_mask, **kwargs)
    return output.reshape(rows, 1, heads, -1), None


AttentionInterface.register(SHARED_ATTENTION, attend_shared)
AttentionMaskInterface.register(SHARED_ATTENTION, sdpa_mask)


def share_attention(model: Any) -> bool:
    """Switch a model of transformers from torch's attention to the shared one.

    Returns:
        False where the model runs another attention, or cannot be switched.
    """
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(SHARED_ATTENTION)
    return bool(model.config._attn_implementation == SHARED_ATTENTION)
