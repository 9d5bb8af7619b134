from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.training.examples.bagging import draw_bootstrap_sample, resample_items


@given(st.integers(1, 300), st.integers(0, 5), st.integers(1, 5))
def test_every_item_is_drawn_or_out_of_the_bag(size: int, seed: int, number: int) -> None:
    sample, out = draw_bootstrap_sample(size, seed, number)
    assert len(sample) == size
    assert set(sample) | set(out) == set(range(size))
    assert not set(sample) & set(out)


def test_about_a_third_is_left_out_and_some_come_often() -> None:
    sample, out = draw_bootstrap_sample(1000, seed=3, number=1)
    assert len(out) / 1000 == pytest.approx(0.368, abs=0.05)  # (1 - 1/n)^n
    assert max(Counter(sample).values()) > 2


def test_it_depends_on_seed_and_number() -> None:
    assert draw_bootstrap_sample(50, 3, 1) == draw_bootstrap_sample(50, 3, 1)
    assert (
        draw_bootstrap_sample(50, 3, 1) != draw_bootstrap_sample(50, 3, 2) != draw_bootstrap_sample(50, 4, 2)
    )


def test_items_of_a_bag_are_items() -> None:
    items = ["a", "b", "c", "d"]
    assert resample_items(items, 0, 1) == [
        items[position] for position in draw_bootstrap_sample(4, 0, 1).indices
    ]
    assert resample_items(items, 0, None) is items
