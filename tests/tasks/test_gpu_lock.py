"""One holder for each card, whatever the thread or the flow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.storage.stages.stage_plan import StagePlan
from tasks import gpu_lock
from tasks.engines import device_context

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]


def count_holders(threads: int, device: str, seconds: float, settings: dict[Any, Any]) -> list[int]:
    """How many held a device while each of some threads did, in which some settings of Prefect hold."""
    inside, counts = list[int](), list[int]()

    def work(number: int) -> None:
        with temporary_settings(settings), gpu_lock.lock_device(device):
            inside.append(number)
            time.sleep(seconds)
            counts.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return counts


def test_two_that_want_one_card_take_turns(monkeypatch: pytest.MonkeyPatch, prefect_url: str) -> None:
    monkeypatch.setattr(gpu_lock, "pick_device", torch.device)
    monkeypatch.setattr(gpu_lock, "lock_name", lambda index: f"antiphon-test-{index}")
    assert count_holders(2, "cuda:0", 0.3, {PREFECT_API_URL: prefect_url}) == [1, 1]
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(gpu_lock.lock_name(0))
    assert (limit.limit, limit.active_slots) == (1, 0)


def test_processes_that_train_together_hold_all_their_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    slots: list[str] = []

    @contextmanager
    def hold(name: str) -> Iterator[None]:
        slots.append(name)
        yield

    monkeypatch.setattr(
        gpu_lock, "pick_device", {"cuda": torch.device("cuda:0"), "cpu": torch.device("cpu")}.get
    )
    monkeypatch.setattr(gpu_lock, "lock_name", str)
    monkeypatch.setattr(gpu_lock, "_hold_slot", hold)
    monkeypatch.setattr(gpu_lock, "joined_processes_here", lambda: 2)
    with gpu_lock.lock_device("cuda", alone=True), gpu_lock.lock_device("cpu"):
        assert slots == ["0", "1"]
    with gpu_lock.lock_device("cuda"):
        assert slots[2:] == ["0"]


def test_a_cpu_needs_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_lock, "get_client", None)  # whoever asked for it would fail
    with gpu_lock.lock_device("cpu"):
        pass


def test_the_card_is_the_machine_s_not_the_process_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace())
    assert gpu_lock.lock_name(2) == "antiphon-node7-gpu-2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert [gpu_lock.lock_name(index) for index in (0, 1)] == ["antiphon-node7-gpu-3", "antiphon-node7-gpu-5"]
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"ab-{index}")
    )
    assert gpu_lock.lock_name(1) == "antiphon-GPU-ab-1"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-cd")
    assert gpu_lock.lock_name(0) == "antiphon-MIG-cd"


class Listening:
    """Components of every kind: whatever is asked of them, they note whether the card is theirs."""

    def __init__(self) -> None:
        self.inside = False
        self.seen: list[bool] = []

    @contextmanager
    def slot(self, device: str, alone: bool = False) -> Iterator[None]:
        assert device == "cuda"
        self.alone = alone
        self.inside = True
        yield
        self.inside = False

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.seen.append(self.inside)
        return None


def test_models_are_loaded_and_run_with_the_card_in_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = Listening()
    plan = StagePlan(stage="mt", version="1")
    job: Any = SimpleNamespace(
        device="cuda",
        threads=1,
        plan=plan,
        settings="{}",
        owns_device=False,
        context=SimpleNamespace(store=None, seed=0),
    )
    monkeypatch.setattr(gpu_lock, "lock_device", listening.slot)
    monkeypatch.setattr(device_context, "seed_device", lambda device, seed: None)

    def build() -> Any:
        listening()
        return listening

    with device_context.shard_context(job, "0" * 64, build, {}) as component:
        component([])
    assert listening.seen == [True, True]
    assert not (listening.inside or listening.alone)


def test_what_is_made_whole_takes_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = Listening()
    job: Any = SimpleNamespace(device="cuda", plan=None, context=SimpleNamespace(store=None))
    monkeypatch.setattr(gpu_lock, "lock_device", listening.slot)
    monkeypatch.setattr(device_context, "check_plan", lambda *_: None)
    monkeypatch.setattr(device_context, "measure_card", lambda device: nullcontext())
    with device_context.whole_stage_context(job, {}):
        listening()
    assert listening.seen == [True] and listening.alone
    assert not listening.inside


def test_a_device_computes_one_thing_at_a_time() -> None:
    assert count_holders(4, "cpu", 0.05, {}) == [1] * 4


class Cards:
    """Slots of cards that are given when ``free`` is set."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()

    @contextmanager
    def slot(self, name: str) -> Iterator[None]:
        self.asked.set()
        assert self.free.wait(5)
        yield


def test_who_waits_for_a_card_keeps_no_cpu_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    cards, done = Cards(), []
    monkeypatch.setattr(gpu_lock, "pick_device", torch.device)
    monkeypatch.setattr(gpu_lock, "lock_name", str)
    monkeypatch.setattr(gpu_lock, "_hold_slot", cards.slot)

    def on_card(*, alone: bool) -> None:
        with gpu_lock.lock_device("cuda:0", alone=alone):
            done.append("card")

    for alone in (False, True):
        cards.asked.clear()
        cards.free.clear()
        thread = threading.Thread(target=on_card, kwargs={"alone": alone})
        thread.start()
        assert cards.asked.wait(5)
        with gpu_lock.lock_device("cpu"):
            done.append("cpu")
            cards.free.set()
            if not alone:
                thread.join(5)  # side by side with the CPU
        thread.join(5)
    assert done == ["cpu", "card"] * 2
