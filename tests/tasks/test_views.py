from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from components.records import StageRef
from tasks.views import links, stage_sections


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


def test_tables_and_pictures_of_a_stage_become_sections(tmp_path: Path) -> None:
    ref = stage(tmp_path, "experts")
    assert stage_sections(ref) == []
    table = {"title": "Router", "note": "load", "rows": [{"expert": 0, "tokens": 12}]}
    (Path(ref.path) / "tables.json").write_text(json.dumps({"tables": [table]}))
    (Path(ref.path) / "load.svg").write_text("<svg/>")
    first, second = stage_sections(ref)
    assert (first.title, first.rows) == ("Router", ({"expert": "0", "tokens": "12"},))
    assert [name for name, _ in second.pictures] == ["load"]
