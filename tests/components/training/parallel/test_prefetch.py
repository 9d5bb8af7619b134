"""Batches that are made ahead are those that are made when they are asked for, and the thread ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from components.training.config import TrainingConfig
from components.training.examples.batches import Batch, Example, collate
from components.training.loop.trainer import train
from components.training.parallel.prefetch import BatchLoader
from tests.components.training.toy_learner import ToyLearner, exported_weights, toy_settings

EXAMPLES = [Example(tuple(range(1, n)), tuple(range(2, n + 1))) for n in range(2, 9)]
CARD = torch.device("cuda:0")


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A card that is the CPU: copies to it and to pinned memory do nothing; the former are noted."""
    non_blocking: list[bool] = []
    to = Tensor.to

    def copy(tensor: Tensor, *args: Any, **options: Any) -> Tensor:
        if CARD not in args:
            return to(tensor, *args, **options)
        assert tensor.dtype == torch.bool or tensor.max() < 100
        non_blocking.append(options["non_blocking"])
        return tensor

    monkeypatch.setattr(Tensor, "to", copy)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    return non_blocking


def loader_of(device: torch.device, threads: list[str]) -> BatchLoader[Batch]:
    def make(rows: Sequence[int]) -> Batch:
        threads.append(threading.current_thread().name)
        return collate([EXAMPLES[row] for row in rows], 9)

    return BatchLoader(make, device)


def prefetching_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def test_on_the_cpu_nothing_is_made_ahead() -> None:
    threads: list[str] = []
    loader = loader_of(torch.device("cpu"), threads)
    loader.prefetch([1, 2])
    assert not threads
    assert torch.equal(loader.load([1, 2]).labels, collate(EXAMPLES[1:3], 9).labels)


def test_for_a_card_batches_are_made_in_a_thread(card: list[bool]) -> None:
    threads: list[str] = []
    loader = loader_of(CARD, threads)
    for rows in ([3, 0], [1, 6], []):
        loader.prefetch(rows)
    for rows in ([3, 0], [1, 6]):
        batch, expected = loader.load(rows), collate([EXAMPLES[row] for row in rows], 9)
        assert all(torch.equal(getattr(batch, name), getattr(expected, name)) for name in vars(expected))
    assert card == [True] * 8
    loader.load([2])  # of which it was not told
    assert card[8:] == [False] * 4
    assert [name.startswith("prefetch") for name in threads] == [True, True, False]
    loader.close()
    assert not prefetching_threads()


def test_what_cannot_be_made_is_an_error_where_it_is_asked_for(card: list[bool]) -> None:
    loader = loader_of(CARD, [])
    loader.prefetch([99])
    with pytest.raises(IndexError):
        loader.load([99])
    loader.close()


class CardLearner(ToyLearner):
    """Computes on the CPU, and loads its batches as for a card."""

    def __init__(self, config: TrainingConfig, out: Path, device: torch.device) -> None:
        super().__init__(config, out, device)
        self.loader = BatchLoader(self._collate, CARD)


def test_a_training_with_prefetch_is_the_one_without(tmp_path: Path, card: list[bool]) -> None:
    def interrupt(_: object) -> None:
        assert prefetching_threads()
        raise KeyboardInterrupt

    settings = toy_settings(num_microbatches=2)
    train(settings, tmp_path / "plain", make_learner=ToyLearner)
    with pytest.raises(KeyboardInterrupt):
        train(settings, tmp_path / "ahead", report=interrupt, make_learner=CardLearner)
    assert not prefetching_threads()
    train(settings, tmp_path / "ahead", make_learner=CardLearner)
    assert not prefetching_threads()
    assert card.count(True) > card.count(False) > 0  # the first batch of an epoch is not known ahead
    plain, ahead = (exported_weights(tmp_path / name) for name in ("plain", "ahead"))
    assert all(torch.equal(tensor, ahead[name]) for name, tensor in plain.items())
