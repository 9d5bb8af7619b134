from __future__ import annotations

from collections import Counter

import pytest

from components.training.examples.bagging import resample_items


def test_about_a_third_is_left_out_and_some_come_often() -> None:
    sample = resample_items(range(1000), 3, 1)
    assert len(sample) == 1000
    assert len(set(sample)) / 1000 == pytest.approx(0.632, abs=0.05)  # 1 - (1 - 1/n)^n
    assert max(Counter(sample).values()) > 2


def test_it_depends_on_seed_and_number() -> None:
    items = range(50)
    assert resample_items(items, 3, 1) == resample_items(items, 3, 1)
    assert resample_items(items, 3, 1) != resample_items(items, 3, 2) != resample_items(items, 4, 2)


def test_without_a_number_all_items_stay() -> None:
    items = ["a", "b", "c", "d"]
    assert resample_items(items, 0, None) is items
