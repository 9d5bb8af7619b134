"""Batches: every example exactly once, within the bound, in an order that only seed and epoch decide."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from components.training.examples.batches import Example, collate, plan_batches, plan_epoch

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


@given(LENGTHS, st.integers(1, 300), st.integers(0, 5), st.integers(0, 50))
def test_every_example_once_and_within_the_bound(
    lengths: list[int], bound: int, seed: int, epoch: int
) -> None:
    batches = plan_epoch(lengths, bound, seed, epoch)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[i] for i in batch)
        assert batch
        assert padded <= bound or len(batch) == 1
    assert batches == plan_epoch(lengths, bound, seed, epoch)


@given(LENGTHS)
def test_evaluation_order_is_by_length(lengths: list[int]) -> None:
    flat = [lengths[i] for batch in plan_batches(lengths, 100, None) for i in batch]
    assert flat == sorted(lengths)


def test_epochs_and_seeds_differ() -> None:
    lengths = [5, 6, 7, 8] * 50
    plans = [plan_epoch(lengths, 64, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert all(a != b for i, a in enumerate(plans) for b in plans[:i])


def test_little_padding() -> None:
    draw = torch.Generator().manual_seed(3)
    lengths = torch.randint(3, 40, (5000,), generator=draw).tolist()
    padded = sum(len(b) * max(lengths[i] for i in b) for b in plan_epoch(lengths, 1000, 1, 0))
    assert sum(lengths) / padded > 0.9


def test_collate_shifts_right_behind_the_start_id() -> None:
    batch = collate([Example((5, 6, 0), (7, 0)), Example((8, 0), (9, 10, 11, 0))], pad=99)
    assert batch.source.tolist() == [[5, 6, 0], [8, 0, 99]]
    assert batch.mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.labels.tolist() == [[7, 0, -100, -100], [9, 10, 11, 0]]
    assert batch.inputs.tolist() == [[99, 7, 99, 99], [99, 9, 10, 11]]
