"""Attention of the few queries of a beam to keys and values that its rows share."""

from __future__ import annotations

import torch
from torch import Tensor

from components.compute.layers.kernels import CrossAttention, kernels


def cross_attention_kernel(width: int, dtype: torch.dtype) -> CrossAttention:
    """Choose the fastest :func:`attend` for heads of ``width`` numbers of ``dtype`` on this CPU.

    It has no gradient, and the last two dimensions of queries, keys and values must be contiguous.
    """
    cpu_kernels = kernels()
    return (cpu_kernels and cpu_kernels.attention(width, dtype)) or attend


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return softmax(queries @ keys.T / sqrt(width) + mask) @ values, in torch's own operators.

    Args:
        queries: (n, q, heads, width).
        keys: (n, heads, S, width).
        values: (n, heads, S, width).
        mask: is added to the logits, (n, q or 1, S); -inf hides a key.

    Returns:
        (n, q, heads * width).
    """
    scaled = queries.transpose(1, 2) * queries.shape[-1] ** -0.5
    weights = torch.matmul(scaled, keys.transpose(2, 3))
    weights += mask[:, None]
    return torch.matmul(weights.softmax(-1), values).transpose(1, 2).flatten(2)
