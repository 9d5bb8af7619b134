"""Attention over cached keys and values, with the projections of any attention module.

Plain products: on the short sequences of translation they beat the fused kernel on a CPU, in training too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

KeyValue = tuple[Tensor, Tensor]
"""Keys and values (R, H, S, d / H)."""


@dataclass
class LayerMemory:
    """Keys and values that a decoder layer attends to: of the text, and of speech where it reads speech."""

    text: KeyValue
    speech: KeyValue | None = None

    def select(self, rows: Tensor) -> LayerMemory:
        """Return the same for these rows, in this order."""
        speech = None if self.speech is None else (self.speech[0][rows], self.speech[1][rows])
        return LayerMemory((self.text[0][rows], self.text[1][rows]), speech)


def extend_cache(cache: list[KeyValue], layer: int, new: KeyValue) -> KeyValue:
    """Append ``new`` to the keys and values of a layer, in place, and return all of them."""
    if layer < len(cache):
        old = cache[layer]
        new = torch.cat([old[0], new[0]], 2), torch.cat([old[1], new[1]], 2)
    cache[layer : layer + 1] = [new]
    return new


def project_keys_values(module: Any, states: Tensor) -> KeyValue:
    """Return keys and values of ``states`` (R, S, d) under the module's ``k_proj`` and ``v_proj``."""
    shape = (*states.shape[:2], module.num_heads, -1)
    return (
        module.k_proj(states).view(shape).transpose(1, 2),
        module.v_proj(states).view(shape).transpose(1, 2),
    )


def attend_cached(
    module: Any, x: Tensor, key_values: KeyValue, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Return attention of ``x`` over given keys and values, by the module's projections.

    Args:
        module: has ``q_proj``, ``out_proj`` and ``num_heads``.
        x: (R, t, d).
        key_values: keys and values (R, H, S, d / H).
        mask: (R, S), True at the positions that may be attended to.
        causal: the last t keys are those of ``x``, which must not see later ones.

    Returns:
        (R, t, d).
    """
    rows, t, d = x.shape
    keys, values = key_values
    queries = module.q_proj(x).view(rows, t, module.num_heads, -1).transpose(1, 2)
    weights = torch.matmul(queries, keys.transpose(2, 3)) * queries.shape[-1] ** -0.5
    if mask is not None:
        weights = weights.masked_fill(~mask[:, None, None, :], -torch.inf)
    if causal and t > 1:
        length = keys.shape[2]
        later = torch.ones(t, length, dtype=torch.bool, device=x.device).triu(length - t + 1)
        weights = weights.masked_fill(later, -torch.inf)
    attended = torch.matmul(weights.softmax(-1), values).transpose(1, 2).reshape(rows, t, d)
    out: Tensor = module.out_proj(attended)
    return out
