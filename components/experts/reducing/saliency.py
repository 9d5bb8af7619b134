"""How much each expert gives (REAP), and how alike what two of them give is, from their outputs on texts.

REAP (Lasby et al., 2025, "REAP the Experts") ranks the experts of a layer by

    S_e = mean over the tokens routed to e of  g_e(x) * || f_e(x) ||_2

with g_e(x) the gate that the layer uses and f_e(x) the expert's output before it. Two experts are alike by
the mean cosine of their outputs for the same tokens, whoever these are routed to (HC-SMoE, Chen et al., 2024,
compares mean outputs).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from components.experts.reducing.sparse_layers import ExpertPass, SparseLayer

TOKENS_AT_ONCE, COMPARED_AT_ONCE = 1024, 64
"""Tokens whose outputs by their own experts, and by every expert, are in memory together."""


class SaliencyMeter:
    """Sums over the passes of every layer; :meth:`add` fits ``observe_routing(also=...)``.

    Args:
        layers: their numbers of experts, by name.
        similarity_tokens: tokens of each layer, the first ones, that all experts compute; 0 compares none.
    """

    def __init__(self, layers: Mapping[str, int], similarity_tokens: int) -> None:
        self._sums = {name: torch.zeros(n, dtype=torch.double) for name, n in layers.items()}
        self._counts = {name: torch.zeros(n, dtype=torch.double) for name, n in layers.items()}
        self._cosines = {name: torch.zeros(n, n, dtype=torch.double) for name, n in layers.items()}
        self._compared = dict.fromkeys(layers, 0)
        self._similarity_tokens = similarity_tokens

    def add(self, layer: SparseLayer, each: ExpertPass, is_token: Tensor) -> None:
        """Add one pass of a layer; ``is_token`` (T) bool is False at padding."""
        hidden, name = each.hidden[is_token], layer.name
        experts, gates = each.routing.experts[is_token], each.routing.gates[is_token].double()
        for start in range(0, len(hidden), TOKENS_AT_ONCE):
            part = slice(start, start + TOKENS_AT_ONCE)
            norms = layer.compute(hidden[part], experts[part]).double().norm(dim=-1)
            selected, slots = experts[part].flatten().cpu(), (gates[part] != 0).double().flatten().cpu()
            self._sums[name].index_add_(0, selected, (gates[part] * norms).flatten().cpu())
            self._counts[name].index_add_(0, selected, slots)
        to_compare = hidden[: self._similarity_tokens - self._compared[name]]
        for start in range(0, len(to_compare), COMPARED_AT_ONCE):
            self._compare(layer, to_compare[start : start + COMPARED_AT_ONCE])

    def _compare(self, layer: SparseLayer, hidden: Tensor) -> None:
        everyone = torch.arange(layer.n_experts, device=hidden.device).expand(len(hidden), -1)
        directions = functional.normalize(layer.compute(hidden, everyone.contiguous()).double(), dim=-1)
        self._cosines[layer.name] += torch.einsum("nid,njd->ij", directions, directions).cpu()
        self._compared[layer.name] += len(hidden)

    def saliency(self, layer: str) -> tuple[float, ...]:
        """Return S_e of every expert; 0 for one that no token was routed to."""
        return tuple((self._sums[layer] / self._counts[layer].clamp_min(1)).tolist())

    def similarity(self, layer: str) -> tuple[tuple[float, ...], ...]:
        """Return the mean cosine of every two experts (E, E); empty where none were compared."""
        count = self._compared[layer]
        return tuple(tuple(row) for row in (self._cosines[layer] / count).tolist()) if count else ()
