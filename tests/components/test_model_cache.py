"""The pool against a plain model of a least-recently-used cache, and under threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from components.errors import ConfigError
from components.model_cache import ModelCache, measure_bytes, memory_budget, parse_bytes

SIZES = {"a": 1, "b": 2, "c": 3, "d": 5, "e": 20}


def fixed(value: object) -> Mapping[str, int]:
    return {"cpu": SIZES[str(value)]}


@given(st.lists(st.sampled_from(sorted(SIZES))), st.integers(1, 12))
def test_least_recently_used_goes_first_within_the_budget(keys: list[str], budget: int) -> None:
    pool, loads = ModelCache(lambda _: budget, fixed), []
    oracle: list[str] = []
    for key in keys:
        assert pool.get(key, lambda key=key: loads.append(key) or key) == key
        hit = key in oracle
        oracle = [k for k in oracle if k != key] + [key]
        while not hit and sum(SIZES[k] for k in oracle) > budget and len(oracle) > 1:
            oracle.pop(0)
        assert list(pool.keys()) == oracle
        assert pool.resident_bytes().get("cpu", 0) <= max(budget, SIZES[key])


def test_those_that_keep_what_is_let_go_are_told() -> None:
    pool, told = ModelCache(lambda _: 1, lambda _: {"cpu": 1}), []
    pool.on_eviction(lambda: told.append(pool.keys()))
    pool.get("a", object)
    assert not told
    pool.get("b", object)
    assert told == [("b",)]
    pool.clear()
    assert told == [("b",), ()]


def test_concurrent_callers_share_one_load() -> None:
    pool, started, go = ModelCache(lambda _: 100, lambda _: {}), threading.Event(), threading.Event()
    loads, got = [], []

    def load() -> object:
        loads.append(1)
        started.set()
        go.wait(5)
        return object()

    threads = [threading.Thread(target=lambda: got.append(pool.get("k", load))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert started.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert len(loads) == 1 and len(got) == 8 and len({id(v) for v in got}) == 1


def test_a_failed_load_is_told_and_tried_again() -> None:
    pool = ModelCache(lambda _: 100, lambda _: {})
    with pytest.raises(ZeroDivisionError):
        pool.get("k", lambda: 1 // 0)
    assert pool.keys() == () and pool.get("k", lambda: 7) == 7


def test_loading_a_key_may_use_the_pool_but_not_itself() -> None:
    pool = ModelCache(lambda _: 100, lambda _: {})
    assert pool.get("outer", lambda: pool.get("inner", lambda: 1) + 1) == 2
    with pytest.raises(RuntimeError, match="itself"):
        pool.get("k", lambda: pool.get("k", lambda: 1))


def test_a_bad_budget_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_MEMORY_BUDGET", "plenty")
    pool = ModelCache()
    for _ in range(2):
        with pytest.raises(ConfigError, match="plenty"):
            pool.get("k", lambda: nn.Linear(2, 2))


def test_measure_counts_shared_storage_once_and_looks_into_objects() -> None:
    layer = nn.Linear(10, 10, bias=False)

    class Holder:
        def __init__(self) -> None:
            self.model, self.again, self.other = layer, [layer.weight], {"t": torch.zeros(5)}

    assert measure_bytes(layer) == {"cpu": 400}
    assert measure_bytes((Holder(), layer)) == {"cpu": 420}
    assert measure_bytes("text") == {}


@pytest.mark.parametrize(
    ("text", "expected"), [("1000", 1000), ("3GiB", 3 << 30), ("500 MB", 500_000_000), ("0.5kb", 500)]
)
def test_bytes_are_read(text: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_MEMORY_BUDGET", text)
    assert parse_bytes(text) == memory_budget("cpu") == expected


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "3 parsecs", "GiB", "0"])
def test_what_is_not_bytes_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_bytes(text)
