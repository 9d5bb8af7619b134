"""Batches that are made ahead are those that are made when they are asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from components.training.batches import Batch, Example, collate
from components.training.prefetch import BatchLoader

EXAMPLES = [Example(tuple(range(1, n)), tuple(range(2, n + 1))) for n in range(2, 9)]


def loader_of(device: str, threads: list[str]) -> BatchLoader[Batch]:
    def make(rows: Sequence[int]) -> Batch:
        threads.append(threading.current_thread().name)
        return collate([EXAMPLES[row] for row in rows], 9)

    return BatchLoader(make, torch.device(device))


def test_on_the_cpu_nothing_is_made_ahead() -> None:
    threads: list[str] = []
    loader = loader_of("cpu", threads)
    loader.prefetch([1, 2])
    assert not threads
    assert torch.equal(loader.load([1, 2]).labels, collate(EXAMPLES[1:3], 9).labels)


def test_for_a_card_the_next_batch_is_pinned_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[int] = []
    copied: list[bool] = []

    def pin(tensor: Tensor) -> Tensor:
        pinned.append(id(tensor))
        return tensor

    def to(tensor: Tensor, device: torch.device, non_blocking: bool = False) -> Tensor:
        assert device.type == "cuda"
        copied.append(non_blocking)
        return tensor

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "to", to)
    threads: list[str] = []
    loader = loader_of("cuda", threads)
    for rows in ([3, 0], [1, 6]):
        loader.prefetch(rows)
    loader.prefetch([])
    for rows in ([3, 0], [1, 6]):
        batch, expected = loader.load(rows), collate([EXAMPLES[row] for row in rows], 9)
        assert all(torch.equal(getattr(batch, name), getattr(expected, name)) for name in vars(expected))
    assert len(pinned) == 8
    assert copied == [True] * 8
    loader.load([2])  # of which it was not told
    assert copied[8:] == [False] * 4
    assert [name.startswith("prefetch") for name in threads] == [True, True, False]


def test_what_cannot_be_made_is_said_where_it_is_asked_for() -> None:
    loader = loader_of("cuda", [])
    loader.prefetch([99])
    with pytest.raises(IndexError):
        loader.load([99])
