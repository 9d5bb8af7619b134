"""Texts in batches of similar length, and each different text once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from components.compute.batch_sizes import BatchLimit

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
BATCH_TOKENS = 4096
"""Tokens of a batch at most, padding included: about 1 GB of activations with the largest encoders."""


def compute_by_key(keys: Sequence[K], compute: Callable[[list[K]], Sequence[V]]) -> dict[K, V]:
    """Compute the value of every different key."""
    distinct = list(dict.fromkeys(keys))
    return dict(zip(distinct, compute(distinct), strict=True))


def compute_once_each(keys: Sequence[K], compute: Callable[[list[K]], Sequence[V]]) -> list[V]:
    """Compute the value of every different key, and give each position its own."""
    values = compute_by_key(keys, compute)
    return [values[key] for key in keys]


def map_batches(
    sequences: Sequence[list[int]],
    pad: int,
    device: torch.device,
    compute: Callable[[Tensor, Tensor, list[int]], Sequence[V]],
) -> list[V]:
    """Compute a value of each sequence of token ids, the longest first.

    Args:
        sequences: token ids.
        pad: the id of padding.
        device: where the batch goes.
        compute: (ids, mask, numbers of the sequences), the first two (batch, tokens) -> a value per row.
    """
    order = sorted(range(len(sequences)), key=lambda n: -len(sequences[n]))
    limit = BatchLimit(max(len(order), 1))

    def compute_rows(rows: list[int]) -> Sequence[V]:
        ids = torch.full((len(rows), max(len(sequences[rows[0]]), 1)), pad)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(sequences[row])] = torch.tensor(sequences[row], dtype=torch.long)
            mask[number, : len(sequences[row])] = 1
        return compute(ids.to(device), mask.to(device), rows)

    values: dict[int, V] = {}
    while len(values) < len(order):
        longest = max(len(sequences[order[len(values)]]), 1)
        rows = order[len(values) : len(values) + max(BATCH_TOKENS // longest, 1)]
        values |= dict(zip(rows, limit.map(compute_rows, rows), strict=True))
    return [values[number] for number in range(len(sequences))]
