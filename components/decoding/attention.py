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

NAME = "antiphon_shared"


def shared_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of ``query`` (n * k, H, 1, d) over ``key`` and ``value`` (n, H, S, d) -> (n * k, 1, H, d)."""
    rows, n = query.shape[0], key.shape[0]
    if rows == n:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return output, None
    heads, width = query.shape[1], query.shape[3]
    kwargs["is_causal"] = False
    asked = query.view(n, rows // n, heads, width).transpose(1, 2)
    output, _ = sdpa_attention_forward(module, asked, key, value, attention_mask, **kwargs)
    return output.reshape(rows, 1, heads, -1), None


AttentionInterface.register(NAME, shared_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def share_attention(model: Any) -> bool:
    """Switch a model from torch's attention to the shared one; False where it runs another or cannot."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)
    return bool(model.config._attn_implementation == NAME)
