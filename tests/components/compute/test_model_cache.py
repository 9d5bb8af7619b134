"""The model cache against a plain model of a least-recently-used cache, and under threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from components.compute.layers import packed_linear
from components.compute.layers.kernels import Arithmetic
from components.compute.model_cache import ModelCache, measure_bytes, memory_budget
from components.errors import ConfigError
from components.recognition.backends.whisper.model import OpenAIWhisperBackend
from tests.components.recognition.tiny import tiny

SIZES = {"a": 1, "b": 2, "c": 3, "d": 5, "e": 20}


def fixed(value: object) -> Mapping[str, int]:
    return {"cpu": SIZES[str(value)]}


@given(st.lists(st.sampled_from(sorted(SIZES))), st.integers(1, 12))
def test_least_recently_used_goes_first_within_the_budget(keys: list[str], budget: int) -> None:
    cache, loads = ModelCache(lambda _: budget, fixed), []
    oracle: list[str] = []
    for key in keys:
        assert cache.get(key, lambda key=key: loads.append(key) or key) == key
        hit = key in oracle
        oracle = [k for k in oracle if k != key] + [key]
        while not hit and sum(SIZES[k] for k in oracle) > budget and len(oracle) > 1:
            oracle.pop(0)
        assert list(cache.keys()) == oracle
        assert sum(map(SIZES.__getitem__, cache.keys())) <= max(budget, SIZES[key])


def test_those_that_hold_an_evicted_model_are_notified() -> None:
    cache, notified = ModelCache(lambda _: 1, lambda _: {"cpu": 1}), []
    cache.on_eviction(lambda: notified.append(cache.keys()))
    cache.get("a", object)
    assert not notified
    cache.get("b", object)
    assert notified == [("b",)]
    cache.clear()
    assert notified == [("b",), ()]


def test_concurrent_callers_share_one_load() -> None:
    cache, started, go = ModelCache(lambda _: 100, lambda _: {}), threading.Event(), threading.Event()
    loads = []

    def load() -> object:
        loads.append(1)
        started.set()
        go.wait(5)
        return object()

    with ThreadPoolExecutor(8) as pool:
        got = [pool.submit(cache.get, "k", load) for _ in range(8)]
        assert started.wait(5)
        go.set()
    assert len(loads) == 1 and len({id(future.result()) for future in got}) == 1


def test_a_failed_load_reaches_the_caller_and_is_tried_again() -> None:
    cache = ModelCache(lambda _: 100, lambda _: {})
    with pytest.raises(ZeroDivisionError):
        cache.get("k", lambda: 1 // 0)
    assert cache.keys() == () and cache.get("k", lambda: 7) == 7


def test_loading_a_key_may_use_the_cache_but_not_itself() -> None:
    cache = ModelCache(lambda _: 100, lambda _: {})
    assert cache.get("outer", lambda: cache.get("inner", lambda: 1) + 1) == 2
    with pytest.raises(RuntimeError, match="itself"):
        cache.get("k", lambda: cache.get("k", lambda: 1))


def test_a_bad_budget_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_MEMORY_BUDGET", "plenty")
    cache = ModelCache()
    for _ in range(2):
        with pytest.raises(ConfigError, match="plenty"):
            cache.get("k", lambda: nn.Linear(2, 2))


def test_an_error_of_what_is_evicted_leaves_nobody_waiting() -> None:
    cache, futures = ModelCache(lambda _: 1, lambda _: {"cpu": 1}), []

    def load() -> int:
        futures.append(cache._loading["b"][1])  # what others wait for
        return 7

    cache.get("a", object)
    cache.on_eviction(lambda: [1 // 0].clear())
    with pytest.raises(ZeroDivisionError):
        cache.get("b", load)
    assert futures[0].result(0) == 7 and cache.get("b", load) == 7


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
    assert memory_budget("cpu") == expected


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "3 parsecs", "GiB", "0", "9" * 16, "5 GiB or so"])
def test_what_is_not_bytes_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTIPHON_MEMORY_BUDGET", text)
    with pytest.raises(ConfigError, match="ANTIPHON_MEMORY_BUDGET: expected a size such as 4GiB or 500MB"):
        memory_budget("cpu")


def test_all_bytes_of_a_recognizer_are_measured_and_no_weight_is_there_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Off the CPU nothing is packed; the encoder shares or replaces the weights that it was made from."""
    monkeypatch.setattr(packed_linear, "can_pack", lambda arithmetic="float32": False)
    model = tiny(0)
    own = sum(t.nbytes for t in (*model.parameters(), *model.buffers()) if not t.is_sparse)
    backend = OpenAIWhisperBackend(model)
    biases = sum(layer.attn.key.weight.shape[0] for layer in model.encoder.blocks) * 4
    biases += sum(2 * layer.attn.key.weight.shape[0] for layer in model.decoder.blocks) * 4
    mask = model.decoder.mask.nbytes  # which the search does not need
    del model
    assert measure_bytes(backend) == {"cpu": own + biases - mask}


@pytest.mark.core
@pytest.mark.parametrize(("arithmetic", "size"), [("float32", 4), ("int8", 1)])
@pytest.mark.parametrize("kernels", ["own", "onednn"])
def test_the_bytes_of_packed_layers_are_measured(
    kernels: str, arithmetic: Arithmetic, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of weights that oneDNN holds in a layout of its own, too, and each once."""
    monkeypatch.setenv("ANTIPHON_KERNELS", kernels)
    layer = nn.Sequential(packed_linear.PackedLinear(torch.zeros(64, 64), None, arithmetic))
    bytes_of_weight = 64 * 64 * size
    assert bytes_of_weight <= measure_bytes([layer, layer])["cpu"] < bytes_of_weight + 4 * 4 * 64


def test_sparse_tensors_are_left_out() -> None:
    dense = torch.eye(4)
    assert measure_bytes([dense, dense.to_sparse(), dense.to_sparse_csr()]) == {"cpu": 64}
