"""Computing ahead in threads gives what ``map`` gives, in order and within its bound."""

from __future__ import annotations

import threading

import pytest
import torch

from components.recognition.prefetch import Prefetched, choose_threads


def test_results_come_in_order_and_an_error_comes_in_its_place() -> None:
    gates = [threading.Event() for _ in range(5)]

    def compute(item: int) -> tuple[int, int]:
        if item == 0:  # the first is done last
            gates[4].wait(10)
        gates[item].set()
        if item == 2:
            raise ValueError("two")
        return item, torch.get_num_threads()

    with Prefetched(compute, range(5), 5, lambda item: 1.0, 5) as prefetched:
        assert next(prefetched) == (0, 1)  # a thread uses one processor
        assert next(prefetched) == (1, 1)
        with pytest.raises(ValueError, match="two"):
            next(prefetched)
        assert prefetched.is_ready
        assert [item for item, _ in prefetched] == [3, 4]
        assert not prefetched.is_ready


@pytest.mark.parametrize(("capacity", "at_once"), [(10.0, 3), (2.0, 1)])
def test_what_waits_is_bounded_and_one_item_may_always_be(capacity: float, at_once: int) -> None:
    begun: list[int] = []
    with Prefetched(lambda item: begun.append(item), range(9), 4, lambda item: 3.0, capacity) as prefetched:
        for taken in range(4):
            assert len(begun) <= taken + at_once
            next(prefetched)
    assert max(begun) < 3 + 1 + at_once  # leaving it begins nothing more


def test_leaving_cancels_what_has_not_begun() -> None:
    release, begun = threading.Event(), list[int]()

    def compute(item: int) -> None:
        begun.append(item)
        release.wait(10)

    with pytest.raises(KeyboardInterrupt), Prefetched(compute, range(50), 2, lambda item: 1.0, 50):
        raise KeyboardInterrupt
    release.set()
    assert len(begun) <= 2


def test_without_threads_an_item_is_computed_when_it_is_asked_for() -> None:
    begun: list[int] = []
    with Prefetched(lambda item: begun.append(item), range(3), 0, lambda item: 1.0, 9) as prefetched:
        assert not prefetched.is_ready and begun == []
        next(prefetched)
        assert begun == [0]
    assert choose_threads("cpu") == 0
