"""`antiphon measure --latency`: what it measures is printed, and kept with the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.nodes.kind import KINDS
from components.run_record import NodeRecord, PipelineRecord
from components.storage.store import Store
from tests.command import run_command
from tests.components.storage.test_store import record
from tests.components.storage.written import written
from tests.tasks.execution.test_latency import IDS, nbest, utterance
from tests.tasks.kinds import FAKES


def test_the_latency_of_a_run_is_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, kind in FAKES.items():
        monkeypatch.setitem(KINDS, name, kind)
    root = tmp_path / "[bold]a[/x]"  # is no markup
    root.mkdir(parents=True)
    stages = (
        written(Store(str(root)), "data", [utterance(key, 2.0) for key in IDS]),
        written(Store(str(root)), "a", list(map(nbest, IDS))),
    )
    node = NodeRecord(name="a", kind="shout", output="text", reads={"of0": "data"}, language="source")
    graph = {"nodes": {"a": {"kind": "shout", "of": "data", "calls": str(tmp_path / "calls")}}}
    pipeline = PipelineRecord(nodes=(node,), outputs={"transcript": "a"})
    parameters = {"graph": graph, "data": "x.jsonl", "seed": 3}
    store = Store(str(root))
    store.save_run(record("mine", flow="pipeline", parameters=parameters, stages=stages, pipeline=pipeline))
    ended = run_command(
        capsys, "measure", "mine", "--latency", "--limit", "20", "--json", "--store", str(root)
    )
    assert not ended.code
    *table, line = ended.out.splitlines()
    values = json.loads(line)
    stored = json.loads((root / "runs" / "mine" / "latency.json").read_text())
    assert values == {"run": "mine", "path": str(root / "runs" / "mine" / "latency.json"), **stored}
    assert (stored["limit"], stored["system"]["n"], list(stored["nodes"])) == (20, 20, ["a"])
    assert stored["system"]["seconds"] == pytest.approx(stored["nodes"]["a"]["seconds"])
    assert table[-1] == f"latency {root}/runs/mine/latency.json"
    assert [row.split()[0] for row in table if row.strip()][-3:] == ["a", "all", "latency"]
