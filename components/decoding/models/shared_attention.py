"""Cross-attention shared by the beams of an utterance.

The k rows of one utterance ask the same keys. Instead of k copies of the keys and values, the k queries are
asked together: (n * k, H, 1, d) becomes (n, H, k, d). It is torch's scaled dot product attention under a name
of its own, registered with transformers; where query and key agree in their first dimension nothing changes.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SHARED_ATTENTION = "antiphon_shared"


def shared_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of ``query`` (n * k, H, t, d) over ``key`` and ``value`` (n, H, S, d) -> (n * k, t, H, d)."""
    rows, n = query.shape[0], key.shape[0]
    if rows == n:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return output, None
    heads, t, width = query.shape[1:]
    kwargs["is_causal"] = False
    if t > 1:  # a member that catches up, which is rare: copies
        key, value = (states.repeat_interleave(rows // n, dim=0) for states in (key, value))
        if attention_mask is not None and attention_mask.shape[0] == n:
            attention_mask = attention_mask.repeat_interleave(rows // n, dim=0)
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)[0], None
    queries = query.view(n, rows // n, heads, width).transpose(1, 2)
    output, _ = sdpa_attention_forward(module, queries, key, value, attention_mask, **kwargs)
    return output.reshape(rows, 1, heads, -1), None


AttentionInterface.register(SHARED_ATTENTION, shared_attention_forward)
AttentionMaskInterface.register(SHARED_ATTENTION, sdpa_mask)


def share_attention(model: Any) -> bool:
    """Switch a model from torch's attention to the shared one; False where it runs another or cannot."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(SHARED_ATTENTION)
    return bool(model.config._attn_implementation == SHARED_ATTENTION)
