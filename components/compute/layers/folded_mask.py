"""Attention to keys that count for several, without a mask: a feature of queries and keys takes its place.

Where a key stands for c positions, log c is added to its scores. As a mask that keeps flash attention away,
which has none. As one more feature it is part of the product, and exact: (q, sqrt(d)) (k, log c) / sqrt(d) =
q k / sqrt(d) + log c. Flash attention wants widths that are multiples of 8, so eight features are added.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FEATURES = 8
"""That are added to queries, keys and values; all but one of a key are zero."""
NEVER = -1e4
"""In the place of minus infinity, which has no product with zero: its exponential is 0, too."""


def prefers_folding(tensor: Tensor) -> bool:
    """Return whether attention has a kernel here that takes no mask: on CUDA in half precision."""
    return tensor.device.type == "cuda" and tensor.dtype in (torch.float16, torch.bfloat16)


def fold_keys(keys: Tensor, log_counts: Tensor) -> Tensor:
    """Let keys (N, H, T, d) stand for exp(``log_counts``) (N, T) positions each -> (N, H, T, d + 8)."""
    added = functional.pad(log_counts.clamp(min=NEVER)[:, None, :, None], (0, FEATURES - 1))
    return torch.cat([keys, added.to(keys.dtype).expand(-1, keys.shape[1], -1, -1)], dim=-1)


def fold_values(values: Tensor) -> Tensor:
    """Return values (N, H, T, d) as wide as their keys, (N, H, T, d + 8): flash attention wants it."""
    return functional.pad(values, (0, FEATURES))


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the scaled dot-product attention of ``queries`` (N, H, t, d), (N, H, t, d).

    Args:
        queries: as they are.
        keys: (N, H, T, d), or folded.
        values: as the keys.
        mask: is added to the scores; none for folded keys, which hold it.
    """
    width = queries.shape[-1]
    if keys.shape[-1] == width:
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    wide = functional.pad(queries, (0, FEATURES), value=width**0.5)
    return functional.scaled_dot_product_attention(wide, keys, values, scale=width**-0.5)[..., :width]
