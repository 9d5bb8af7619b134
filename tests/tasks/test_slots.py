"""One holder for each card, whatever the thread or the flow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks import slots

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def server(prefect_url: str) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: prefect_url}):
        yield


def test_two_that_want_one_card_take_turns(monkeypatch: pytest.MonkeyPatch, prefect_url: str) -> None:
    monkeypatch.setattr(slots, "pick_device", torch.device)
    inside, most, done = [0], [0], []

    def work() -> None:
        with temporary_settings({PREFECT_API_URL: prefect_url}), slots.device_slot("cuda:0"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.3)
            inside[0] -= 1
            done.append(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], len(done)) == (1, 2)
    with get_client(sync_client=True) as client:
        limit = client.read_global_concurrency_limit_by_name(slots.slot_name(0))
    assert (limit.limit, limit.active_slots) == (1, 0)


def test_a_cpu_needs_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "get_client", None)  # whoever asked for it would fail
    with slots.device_slot("cpu"):
        pass


def test_the_card_is_the_machine_s_not_the_process_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert slots.slot_name(2) == "antiphon-node7-gpu-2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert [slots.slot_name(index) for index in (0, 1)] == ["antiphon-node7-gpu-3", "antiphon-node7-gpu-5"]
