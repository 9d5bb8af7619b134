from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.compute.profiling import Cost
from components.errors import StoreError
from components.records import NodeOutcome, Quarantined
from components.run_record import PipelineRecord, StageRef
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import open_stage
from components.storage.store import Store
from reports.page import html_page
from reports.page.report_view import (
    MAX_QUARANTINED_PER_STAGE,
    sections_of_quarantined,
    sections_of_stage,
    unite,
)
from tasks.stages.report import render
from tests.components.storage.test_store import record
from tests.components.storage.written import written
from tests.reports.example_runs import node


def stage(
    folder: Path, name: str, *outcomes: NodeOutcome, models: Mapping[str, str] | None = None
) -> StageRef:
    """A finished stage of one item, as its reference says, of these outcomes."""
    weights = {role: hashlib.sha256(one.encode()).hexdigest() for role, one in (models or {}).items()}
    plan = StagePlan(stage=name, version="1", weights=weights, models=dict(models or {}))
    ref = written(Store(str(folder)), plan, outcomes)
    update = {"items": 1, "quarantined": 0, "seconds": 1.0, "peak_memory_bytes": 1}
    return ref.model_copy(update={**update, "reused": False, "content": None})


def test_systems_that_share_a_stage_share_its_node(tmp_path: Path) -> None:
    graph = PipelineRecord(
        nodes=(node("asr", "recognize", "data", language="source"), node("mt", "translate", "asr")),
        outputs={"transcript": "asr", "translation": "mt"},
    )
    data, asr = stage(tmp_path, "data"), stage(tmp_path, "asr")
    runs = {}
    for system in ("a", "b"):
        mt = stage(tmp_path, f"mt-{system}").model_copy(update={"stage": "mt"})
        run = record(system).model_copy(update={"stages": (data, asr, mt), "pipeline": graph})
        runs[system] = run
    united = unite(runs)
    assert [ref.stage for ref in united.stages] == ["data", "a, b: asr", "a: mt", "b: mt"]
    reads = {one.name: one.reads for one in united.pipeline.nodes}
    assert reads["b: mt"] == {"of0": "a, b: asr"}
    assert reads["a, b: asr"] == {"of0": "data"}
    assert united.outputs == {
        "a": {"transcript": "a, b: asr", "translation": "a: mt"},
        "b": {"transcript": "a, b: asr", "translation": "b: mt"},
    }


def test_sealed_tables_and_pictures_of_a_stage_become_sections(tmp_path: Path) -> None:
    plan = StagePlan(stage="experts", version="x")
    with open_stage(Store(str(tmp_path)), plan) as writer:
        table = {"title": "Router", "note": "load", "rows": [{"expert": 0, "tokens": 12}]}
        (writer.path / "tables.json").write_text(json.dumps({"tables": [table]}))
        (writer.path / "load.svg").write_text("<svg/>")
        ref = writer.seal(["tables.json", "load.svg"], Cost(), items=1)
    (Path(ref.path) / "foreign.svg").write_text("<svg/>")
    first, second = sections_of_stage(ref)
    assert (first.title, first.rows) == ("experts: Router", ({"expert": "0", "tokens": "12"},))
    assert [name for name, _ in second.pictures] == ["load"]


def test_why_records_were_quarantined_is_told_of_every_stage_data_included(tmp_path: Path) -> None:
    assert sections_of_quarantined([stage(tmp_path, "mt")]) == []
    refs = []
    for name, count in (("data", 2), ("asr", MAX_QUARANTINED_PER_STAGE + 5)):
        bad = [
            Quarantined(utterance_id=f"u{n}", stage=name, reason="unreadable audio", detail="expected a WAV")
            for n in range(count)
        ]
        refs.append(stage(tmp_path, name, *bad).model_copy(update={"quarantined": count}))
    (section,) = sections_of_quarantined(refs)
    first = {"stage": "data", "record": "u0", "reason": "unreadable audio", "detail": "expected a WAV"}
    assert section.rows[0] == first
    assert len(section.rows) == 2 + MAX_QUARANTINED_PER_STAGE
    assert "27 records" in section.note
    assert "antiphon inspect RUN --node NAME" in section.note


def test_a_full_disk_under_a_report_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rest: object, **named: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(html_page, "write_html", full)
    with pytest.raises(StoreError, match=r"^no space left to write the report of run mine at .*free some"):
        render(record("mine"), Store(str(tmp_path)))
