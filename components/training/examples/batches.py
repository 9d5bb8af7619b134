"""Token-bounded, length-bucketed batches whose order depends only on (seed, epoch)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Example(NamedTuple):
    """A sentence pair as ids; ``source`` and ``target`` both end with the end-of-sentence id."""

    source: tuple[int, ...]
    target: tuple[int, ...]

    @property
    def length(self) -> int:
        """The number of tokens of the longer side."""
        return max(len(self.source), len(self.target))


@dataclass(frozen=True)
class Batch:
    """A padded batch of N pairs.

    Attributes:
        source: source ids (N, S).
        mask: (N, S) bool, True where the source is not padding.
        inputs: the decoder's inputs (N, T): the labels shifted right behind the start id (the pad id, as in
            Marian).
        labels: target ids (N, T); -100 at padding.
    """

    source: Tensor
    mask: Tensor
    inputs: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """Move the tensors to ``device``."""
        return self.map(lambda tensor: tensor.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with every tensor changed."""
        return Batch(*(change(tensor) for tensor in (self.source, self.mask, self.inputs, self.labels)))


def plan_batches(
    lengths: Sequence[int], batch_tokens: int, generator: torch.Generator | None
) -> list[list[int]]:
    """Cut examples into batches of at most ``batch_tokens`` padded tokens; every example once.

    Examples are sorted by length (near-ties shuffled, so that epochs differ), cut, and the batches shuffled.
    An example longer than the bound is a batch of its own.

    Args:
        lengths: tokens of each example.
        batch_tokens: padded tokens per batch at most.
        generator: shuffles; without it batches are in order of length, for evaluation.

    Returns:
        Batches as lists of indices of examples.
    """
    if generator is None:
        order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    else:
        noise = torch.rand(len(lengths), generator=generator).tolist()
        order = sorted(range(len(lengths)), key=lambda i: lengths[i] + 2.0 * noise[i])
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for index in order:
        longest_with = max(longest, lengths[index])
        if current and longest_with * (len(current) + 1) > batch_tokens:
            batches.append(current)
            current, longest_with = [], lengths[index]
        current.append(index)
        longest = longest_with
    if current:
        batches.append(current)
    if generator is None:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def plan_epoch(lengths: Sequence[int], batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Plan the batches of one epoch: a pure function, so that a resumed training sees the same ones."""
    return plan_batches(lengths, batch_tokens, torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def collate(examples: Sequence[Example], pad: int) -> Batch:
    """Pad examples to the longest of them; ``pad`` is the pad id."""
    source = _pad([e.source for e in examples], pad)
    labels = _pad([e.target for e in examples], -100)
    inputs = _pad([(pad, *e.target[:-1]) for e in examples], pad)
    mask = _pad([(1,) * len(e.source) for e in examples], 0).bool()
    return Batch(source, mask, inputs, labels)


def _pad(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=torch.long)
