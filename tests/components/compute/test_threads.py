from __future__ import annotations

from collections.abc import Iterator
from threading import get_ident

import pytest
import torch

from components.compute.threads import map_in_threads


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_from_several_threads(three_threads: None) -> None:
    results = map_in_threads(lambda n: (n * n, get_ident(), torch.get_num_threads()), range(30))
    assert [square for square, *_ in results] == [n * n for n in range(30)]
    assert all(ident != get_ident() for _, ident, _ in results)
    assert {share for *_, share in results} == {1}
    assert torch.get_num_threads() == 3


def test_few_items_share_the_threads(three_threads: None) -> None:
    assert map_in_threads(lambda _: torch.get_num_threads(), [0]) == [3]
    assert map_in_threads(lambda _: torch.get_num_threads(), [0, 1]) == [1, 1]
    assert map_in_threads(str, []) == []


def test_there_are_no_gradients(three_threads: None) -> None:
    weight = torch.ones(2, requires_grad=True)
    assert [r.requires_grad for r in map_in_threads(lambda x: x * weight, [torch.ones(2)] * 4)] == [False] * 4


def test_an_error_reaches_the_caller(three_threads: None) -> None:
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda n: 1 // n, [1, 0, 2])
