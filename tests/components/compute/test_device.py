from __future__ import annotations

import random
from contextlib import nullcontext
from threading import Event, Thread

import numpy as np
import pytest
import torch

from components.compute.device import (
    count_torch_threads,
    pick_device,
    pick_dtype,
    seed_device,
    use_threads,
)
from components.compute.machine import describe_numerics
from components.errors import ConfigError


def test_auto_is_a_device_of_this_machine() -> None:
    assert torch.zeros(1, device=pick_device("auto")).sum() == 0
    assert pick_device("cpu") == torch.device("cpu")


def test_a_variable_says_what_auto_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("ANTIPHON_DEVICE", "cpu")
    assert pick_device("auto") == torch.device("cpu")
    assert pick_device("cuda") == torch.device("cuda", 0)
    monkeypatch.setenv("ANTIPHON_DEVICE", "gpu")
    with pytest.raises(ConfigError, match=r"ANTIPHON_DEVICE: expected auto, cpu, .* found 'gpu'"):
        pick_device("auto")
    monkeypatch.delenv("ANTIPHON_DEVICE")
    assert pick_device("auto") == torch.device("cuda", 0)


@pytest.mark.parametrize("name", ["", "gpu", "cpu:1", "cuda:x", "cuda:-1", "cuda:99", "tpu"])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="device"):
        pick_device(name)


def test_dtypes() -> None:
    cpu = torch.device("cpu")
    assert pick_dtype("bfloat16", cpu) is torch.bfloat16
    with pytest.raises(ConfigError, match="float32, bfloat16, float16"):
        pick_dtype("int4", cpu)


def test_threads_that_overlap_leave_the_number_of_the_process() -> None:
    """The second begins while the first has changed what new threads begin with, and ends after it.

    A thread that asks meanwhile how many there are is told the process's number: shards are computed with it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    entered, left, seen = Event(), Event(), list[object]()

    def first() -> None:
        with use_threads(1):
            entered.set()
            second_entered.wait(10)
        left.set()

    def second() -> None:
        entered.wait(10)
        with use_threads(2):
            with use_threads(1):
                seen.append(torch.get_num_threads())
            seen.append(torch.get_num_threads())
            asking = Thread(
                target=lambda: seen.extend((describe_numerics()["threads"], count_torch_threads()))
            )
            asking.start()
            asking.join(10)
            second_entered.set()
            left.wait(10)

    second_entered = Event()
    for threads in (
        (Thread(target=first), Thread(target=second)),
        (Thread(target=lambda: seen.append(torch.get_num_threads())),),
    ):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    torch.set_num_threads(before)
    assert seen == [1, 2, "3", 3, 3]


def test_a_device_that_cannot_compute_in_a_type_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*values: object) -> None:
        raise RuntimeError("not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "layer_norm", refuse)
    with pytest.raises(ConfigError, match=r"cpu cannot compute in float16 \(not implemented.*use float32"):
        pick_dtype("float16", torch.device("cpu"))


def test_a_shard_leaves_the_generators_of_other_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    seed_device("cpu", 3)
    expected = torch.rand(2), random.random(), float(np.random.rand())
    seed_device("cpu", 3)
    seed_device("cuda:0", 5)
    assert seeds == [5]
    found = torch.rand(2), random.random(), float(np.random.rand())
    assert torch.equal(found[0], expected[0]) and found[1:] == expected[1:]
