"""Where memory runs out, half as many items are computed at once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, MarianConfig

from components.compute import batch_sizes
from components.compute.batch_sizes import (
    BatchLimit,
    ItemTooLargeError,
    choose_batch_size,
    fit_batch,
    is_out_of_memory,
    row_bytes,
)
from components.compute.profiling import measure_cost
from components.decoding.isolation import isolate


class Memory:
    """Doubles numbers; memory runs out above ``room`` at once. ``calls`` are the sizes of what was tried."""

    def __init__(self, room: int) -> None:
        self.room, self.calls = room, list[int]()

    def double(self, batch: Sequence[int]) -> list[int]:
        self.calls.append(len(batch))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return [2 * each for each in batch]


@given(st.integers(1, 20), st.integers(1, 40), st.integers(0, 50))
def test_every_item_has_its_result_whatever_fits(room: int, size: int, count: int) -> None:
    memory, limit = Memory(room), BatchLimit(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_sizes, "_free_cached", lambda: None)  # collecting garbage is slow
        assert limit.map(memory.double, range(count)) == [2 * n for n in range(count)]
    failed = [calls for calls in memory.calls if calls > room]
    assert len(failed) <= size.bit_length()
    assert limit.size <= (room if failed else size)


def test_what_fits_is_remembered_and_noted() -> None:
    memory, limit = Memory(3), BatchLimit(16)
    with measure_cost() as cost:
        limit.map(memory.double, range(16))
    assert memory.calls == [16, 8, 4, *[2] * 8]
    assert cost.batch_size == 2
    with measure_cost() as cost:
        limit.map(memory.double, range(4))
    assert memory.calls[-2:] == [2, 2]
    assert cost.batch_size == 0  # it did not run out again


def test_an_item_that_is_too_large_alone_is_singled_out() -> None:
    def compute(batch: list[int]) -> list[int]:
        if 7 in batch or len(batch) > 4:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return batch

    limit = BatchLimit(8)
    results = isolate(lambda items: limit.map(compute, items), list(range(12)), ItemTooLargeError)
    assert [r for r in results if isinstance(r, int)] == [n for n in range(12) if n != 7]
    (error,) = [r for r in results if not isinstance(r, int)]
    assert "expected memory for one item, found too little ([enforce fail]" in str(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("anything"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_other_errors_are_not_taken_for_it(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
    if not expected:

        def fail(batch: list[int]) -> list[int]:
            raise error

        with pytest.raises(type(error)):
            BatchLimit(4).map(fail, [1, 2])


def test_auto_is_what_fits_a_gpu_and_the_usual_number_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    free: Any = lambda device: (8 * 2**30, 16 * 2**30)  # noqa: E731
    monkeypatch.setattr(torch.cuda, "mem_get_info", free)
    assert choose_batch_size(5, 16, "cuda:0", lambda: 1) == 5
    assert choose_batch_size("auto", 16, "cpu", lambda: 1) == 16
    assert choose_batch_size("auto", 16, "cuda:0", lambda: 2**28) == 16  # half of 8 GiB by 256 MiB
    assert choose_batch_size("auto", 16, "cuda:0", lambda: 2**40) == 1
    assert [fit_batch(memory, 10) for memory in (0, 10, 79, 80, 10**9)] == [1, 1, 4, 8, batch_sizes.AT_MOST]


def test_bytes_of_a_row_are_those_of_its_cache_and_scores() -> None:
    marian = MarianConfig(decoder_layers=6, d_model=512, decoder_attention_heads=8, vocab_size=1000)
    assert row_bytes(marian, 100, 4) == 6 * 2 * 512 * 100 * 4 + 16 * 1000
    llama = LlamaConfig(
        num_hidden_layers=4, hidden_size=64, num_attention_heads=8, num_key_value_heads=2, vocab_size=10
    )
    assert row_bytes(llama, 10, 2) == 4 * 2 * (2 * 8) * 10 * 2 + 160
