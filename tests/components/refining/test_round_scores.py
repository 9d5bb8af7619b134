from __future__ import annotations

from pathlib import Path

import pytest

from components.nodes.kind import KINDS
from components.pipeline.reading.reader import read_pipeline
from components.refining.round_scores import find_rounds
from tests.reports.page.test_report_view import stage
from tests.tasks.kinds import FAKES


def test_the_rounds_begin_with_the_draft_and_end_where_nothing_was_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "shout", FAKES["shout"])
    mt = {"kind": "shout", "calls": "none", "of": "data"}
    refine = {"kind": "refine", "of": "mt", "method": "self_refine", "rounds": 3}
    pipeline = read_pipeline({"nodes": {"mt": mt, "refine": refine}})
    stages = {name: stage(tmp_path, name) for name in ("mt", "refine-1", "refine-2")}
    assert [ref.stage for ref in find_rounds(pipeline, stages, "refine")] == ["mt", "refine-1", "refine-2"]
    del stages["mt"]
    assert find_rounds(pipeline, stages, "refine") == ()
