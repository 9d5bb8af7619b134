"""Three rungs whose two routes learn from a development set: one run, from the file to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.own_code import code_permission
from components.routing.route_fit import read_route_fit
from components.storage.stages.reader import read_best_texts
from flows.python_flows.pipeline import pipeline
from tasks.task_options import unwrap
from tests.components.storage.written import lines_at
from tests.manifests import write_rows

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
STEPS = '''
def translate(record, right):
    """Gets texts of up to so many letters right, and is the less sure the longer they are."""
    text = record["text"]
    return {"text": text.upper() if len(text) <= right else "WRONG", "score": -len(text)}
'''
RUNG = {"kind": "python", "file": "steps.py", "function": "translate", "to": "target", "of": "data"}
NODES: dict[str, dict[str, Any]] = {
    "greedy": {**RUNG, "arguments": {"right": 2}},
    "doubt": {"kind": "route", "of": "greedy", "tiers": ["greedy", "beam"], "dev": "dev.jsonl"}
    | {"by": "score", "target": {"metric": "chrf", "value": 20}},
    "beam": {**RUNG, "arguments": {"right": 4}, "when": "doubt.escalate"},
    "still": {"kind": "route", "of": "beam", "tiers": ["beam", "ensemble"], "dev": "dev.jsonl"}
    | {"by": "score", "budget": 0.5},
    "ensemble": {**RUNG, "arguments": {"right": 6}, "when": "still.escalate"},
    "mt": {"kind": "select", "of": ["ensemble", "beam", "greedy"]},
}


def write(path: Path, n: int) -> None:
    """Texts of one to six letters in turn."""
    texts = ["abcdef"[: 1 + number % 6] for number in range(n)]
    write_rows(
        path, [{"id": f"u{k}", "text": text, "references": [text.upper()]} for k, text in enumerate(texts)]
    )


def test_three_rungs_learn_on_what_reaches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(code_permission.VARIABLE, "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps.py").write_text(STEPS)
    write(tmp_path / "dev.jsonl", 90)
    write(tmp_path / "data.jsonl", 12)
    where = {"data": "data.jsonl", "store": str(tmp_path / "store"), "folder": str(tmp_path)}
    record = unwrap(pipeline(graph={"nodes": NODES}, **where))
    refs = {ref.stage: ref for ref in record.stages}
    first, second = (read_route_fit(Path(refs[f"{name}--fit"].path)) for name in ("doubt", "still"))
    # Greedy is right up to two letters, beam up to four. chrF is 4 with none, 19 with four letters and more,
    # 27 with three and more escalated.
    assert first.curve is not None and first.curve.metric == "chrf"
    assert (first.n, first.size, first.threshold) == (90, 60, -3)
    assert (second.n, second.size, second.threshold) == (60, 30, -5)  # a share of what reaches it
    for name, limit in (("doubt", 3), ("still", 5)):
        lines = lines_at(refs[name].path)
        branches = {route["utterance_id"]: route["branch"] for route in map(json.loads, lines)}
        lengths = {key: 1 + int(key[1:]) % 6 for key in branches}
        assert branches == {key: "escalate" if lengths[key] >= limit else "keep" for key in branches}
    assert set(read_best_texts(refs["mt"]).values()) == {"ABCDEF"[:length] for length in range(1, 7)}
    notes = "\n".join(record.notes)
    assert "doubt--fit: score at most" in notes and "of what full escalation gains" in notes
    assert "still: " in notes and "asked: at most 0.5 of the utterances" in notes
    report = (tmp_path / "store" / "runs" / record.name / "report.html").read_text()
    assert "Learned route: doubt--fit" in report and "chrF2 by share escalated" in report
