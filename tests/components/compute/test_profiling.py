"""Memory of this process where there is no /proc, and of cards."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from components.compute import profiling
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store
from tests.components.storage.test_store import refusal
from tests.components.storage.written import encode_piece


def test_without_proc_the_peak_stands_for_resident_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = profiling.resident_bytes()
    monkeypatch.setattr(profiling, "_STATM", tmp_path / "statm")
    assert profiling.resident_bytes() >= 0.5 * resident > 1e6


def test_the_peak_of_a_card_reaches_the_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"cuda:1": 0}
    monkeypatch.setattr(profiling, "resolve_device_name", str)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: held.update({device: 100}))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: held[device])
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card of {device}")
    peaks = []
    for grown in (50, 900, 30):
        with profiling.measure_cost() as cost, profiling.measure_card("cuda:1"):
            held["cuda:1"] += grown
        peaks.append(cost.card_memory)
    assert peaks == [{"card of cuda:1": 100 + grown} for grown in (50, 900, 30)]
    with profiling.measure_cost() as cost, profiling.measure_card("cpu"):
        pass
    assert cost.card_memory == {}
    store, plan = Store(str(tmp_path)), StagePlan(stage="mt", version="1")
    headers = [
        store.add_shard(*encode_piece(plan, [refusal(str(n))], card_memory=peak))
        for n, peak in enumerate(peaks)
    ]
    ref = finish_stage(store, plan.with_shards(header.key for header in headers), headers, {})
    assert ref.card_memory == {"card of cuda:1": 1000}
    assert "card_memory" not in ref.model_copy(update={"card_memory": {}}).model_dump()
