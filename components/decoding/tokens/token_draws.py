"""The next token of a row: the likeliest, or one that is drawn.

A sample is drawn by inverting the cumulative distribution at one uniform number per token. The numbers of a
row come from a generator of its own, seeded by (seed, key of the utterance, number of the sample), so what is
drawn for an utterance does not depend on which others are in the batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from components.decoding.config import SearchConfig


def choose_tokens(log_probs: Tensor, source: Tensor | None, draws: Tensor, config: SearchConfig) -> Tensor:
    """Return the next token of each row.

    ``source`` (R,) is the row of ``log_probs`` that each row reads (at the first token the rows of an
    utterance share one), None: its own; ``draws`` (R,) one number in [0, 1) for each.
    """
    if config.temperature == 0:
        tokens = log_probs.argmax(dim=-1)
        return tokens if source is None else tokens[source]
    probabilities = keep_likely(torch.softmax(log_probs / config.temperature, dim=-1), config)
    mass = probabilities.cumsum(dim=-1, dtype=torch.float64)
    mass = mass if source is None else mass[source]
    drawn = torch.searchsorted(mass, (draws.double() * mass[:, -1])[:, None], right=True)
    return drawn[:, 0].clamp(max=log_probs.shape[-1] - 1)


def keep_likely(probabilities: Tensor, config: SearchConfig) -> Tensor:
    """Set to 0 what ``top_k``, ``top_p`` and ``epsilon`` cut off, each from what the one before has left.

    The order, and what happens to ties, are those of transformers' ``generate``; the likeliest token always
    stays. Top-k: Fan et al. 2018; nucleus: Holtzman et al. 2020; epsilon: Hewitt et al. 2022.

    Args:
        probabilities: (R, V), each row of sum 1.
        config: the three settings.

    Returns:
        (R, V); rows need no longer sum to 1.
    """
    if 0 < config.top_k < probabilities.shape[-1]:
        lowest = probabilities.topk(config.top_k, dim=-1).values[:, -1:]
        probabilities = _normalize(probabilities.where(probabilities >= lowest, 0))
    if config.top_p < 1:
        ordered, tokens = probabilities.sort(dim=-1, descending=True, stable=True)
        before = ordered.double().cumsum(dim=-1) - ordered
        # The smallest set that reaches top_p: a token stays while the mass before it is below top_p.
        nucleus = torch.zeros_like(probabilities).scatter(-1, tokens, ordered.where(before < config.top_p, 0))
        probabilities = _normalize(nucleus)
    if config.epsilon > 0:
        likeliest = probabilities.amax(dim=-1, keepdim=True)
        probabilities = probabilities.where(
            (probabilities >= config.epsilon) | (probabilities == likeliest), 0
        )
    return probabilities


def _normalize(masses: Tensor) -> Tensor:
    return masses / masses.sum(dim=-1, keepdim=True)


def draw_uniform(config: SearchConfig, keys: Sequence[int] | None, n: int, copies: int, steps: int) -> Tensor:
    """Return one number in [0, 1) per row and step, (n * copies, steps)."""
    if config.temperature == 0:
        return torch.zeros((n, steps))
    rows = []
    for key in keys if keys is not None else [0] * n:
        for copy in range(copies):
            name = f"{config.seed}/{key}/{copy}".encode()
            seed = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
            rows.append(torch.rand(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    return torch.stack(rows)
