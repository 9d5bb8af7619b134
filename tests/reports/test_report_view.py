from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from components.errors import StoreError
from components.records import Quarantined, StageRef
from components.storage.stage_plan import StagePlan
from components.storage.stage_writer import opened
from components.storage.store import Store
from reports import html
from reports.report_view import FIRST_PUT_ASIDE, links, put_aside, stage_sections
from tasks.report import render
from tests.components.storage.test_store import record


def stage(
    folder: Path,
    name: str,
    *upstream: str,
    outputs: str | None = None,
    models: Mapping[str, str] | None = None,
) -> StageRef:
    """A stage whose plan read the stages ``upstream``, by the keys that this function gives them."""
    key = (name.encode().hex() * 64)[:64]
    place = folder / key
    place.mkdir(exist_ok=True)
    read = {one: f"{(one.encode().hex() * 64)[:64]}:{'c' * 64}" for one in upstream}
    weights = {role: hashlib.sha256(one.encode()).hexdigest() for role, one in (models or {}).items()}
    (place / "plan.json").write_text(
        json.dumps({"upstream": read, "weights": weights, "models": models or {}})
    )
    if outputs is not None:
        (place / "outputs.jsonl").write_text(outputs)
    return StageRef(
        stage=name, key=key, path=str(place), items=1, quarantined=0, sha256="c" * 64, seconds=1,
        peak_memory_bytes=1, reused=False,
    )  # fmt: skip


def test_edges_are_what_plans_read_without_shortcuts(tmp_path: Path) -> None:
    refs = [
        stage(tmp_path, "data"),
        stage(tmp_path, "asr", "data"),
        stage(tmp_path, "mt", "data", "asr"),
        stage(tmp_path, "metrics", "data", "asr", "mt"),
    ]
    one = {ref.stage: ref for ref in refs}
    assert links(one) == [("data", "asr"), ("asr", "mt"), ("mt", "metrics")]
    two = {f"{system}: {ref.stage}": ref for system in ("a", "b") for ref in refs}
    found = links(two)
    assert len(found) == 6
    assert ("a: asr", "a: mt") in found
    assert not [edge for edge in found if edge[0][0] != edge[1][0]]
    (Path(refs[1].path) / "plan.json").unlink()
    assert ("data", "asr") not in links(one)


def test_sealed_tables_and_pictures_of_a_stage_become_sections(tmp_path: Path) -> None:
    plan = StagePlan(stage="experts", version="x")
    with opened(Store(str(tmp_path)), plan, records=False) as writer:
        table = {"title": "Router", "note": "load", "rows": [{"expert": 0, "tokens": 12}]}
        (writer.path / "tables.json").write_text(json.dumps({"tables": [table]}))
        (writer.path / "load.svg").write_text("<svg/>")
        ref = writer.seal(["tables.json", "load.svg"], items=1)
    (Path(ref.path) / "foreign.svg").write_text("<svg/>")
    first, second = stage_sections(ref)
    assert (first.title, first.rows) == ("Router", ({"expert": "0", "tokens": "12"},))
    assert [name for name, _ in second.pictures] == ["load"]


def test_why_records_were_put_aside_is_told_of_every_stage_data_included(tmp_path: Path) -> None:
    assert put_aside([stage(tmp_path, "mt")]) == []
    refs = []
    for name, count in (("data", 2), ("asr", FIRST_PUT_ASIDE + 5)):
        ref = stage(tmp_path, name).model_copy(update={"quarantined": count})
        bad = [
            Quarantined(utterance_id=f"u{n}", stage=name, reason="unreadable audio", detail="expected a WAV")
            for n in range(count)
        ]
        (Path(ref.path) / "errors.jsonl").write_text("".join(one.model_dump_json() + "\n" for one in bad))
        refs.append(ref)
    (section,) = put_aside(refs)
    first = {"stage": "data", "record": "u0", "reason": "unreadable audio", "detail": "expected a WAV"}
    assert section.rows[0] == first
    assert len(section.rows) == 2 + FIRST_PUT_ASIDE
    assert "27 records" in section.note
    assert "antiphon inspect RUN --stage STAGE" in section.note


def test_a_full_disk_under_a_report_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rest: object, **named: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(html, "write", full)
    with pytest.raises(StoreError, match=r"^no space left to write the report of run mine at .*free some"):
        render(record("mine"), Store(str(tmp_path)))
