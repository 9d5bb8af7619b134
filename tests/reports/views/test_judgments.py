"""What a model said of a translation is found by its content, in the terminal and in the page, as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from components.metrics.model_metric import ErrorSpan, Sample
from components.metrics.sentence_scores import StoredScore, digest_sample
from components.storage.shards.shard import encode_shard
from components.storage.stages.stage_plan import StagePlan
from components.storage.stages.stage_writer import finish_stage
from components.storage.store import Store
from reports.page.utterance_json import build_details
from reports.terminal.utterance_printing import print_utterance
from reports.views.run_view import RunView
from tests.reports.example_runs import HOSTILE, cascade

KEY = "5" * 64


def judged(folder: Path) -> RunView:
    """A run whose first translation, which is hostile, and whose last one are scored by xCOMET."""
    view = cascade(folder, 4)
    rows = []
    for number in (0, 3):
        utterance = view.utterances[number]
        outcome = view.outcomes["mt"][utterance.id]
        sample = Sample(outcome.best.text, utterance.transcript or "", utterance.references)
        span = ErrorSpan(start=1, end=7, text=HOSTILE, severity="major", confidence=0.75)
        rows.append(StoredScore(sample=digest_sample(sample), value=0.5 + number / 12, spans=(span,)))
    plan = StagePlan(stage="mt-xcomet", kind="sentence_scores", version="1").with_shards([KEY])
    lines = [row.model_dump_json() for row in rows]
    header, content = encode_shard(lines, key=KEY, stage="mt-xcomet", fingerprint=plan.fingerprint)
    store = Store(str(folder / "store"))
    scores = finish_stage(store, plan, [store.add_shard(header, content)], {})
    run = view.run.model_copy(update={"stages": (*view.run.stages, scores)})
    return replace(view, run=run)


def test_scores_and_errors_stand_beside_the_translation(tmp_path: Path) -> None:
    view = judged(tmp_path)
    first, _, third, second = view.rows()
    (judgment,) = second.judgments["mt"]
    assert (judgment.label, judgment.value) == ("xCOMET", 75.0)
    assert third.judgments == {}
    console = Console(width=200, record=True)
    print_utterance(view, second.utterance.id, console)
    text = console.export_text()
    best = second.outcomes["mt"]
    assert "xCOMET 75.0" in text
    assert f"xCOMET error  major 1-7 {best.best.text[1:7]!r} (0.75)" in text
    details = build_details(view, first, (), tmp_path, frozenset())
    stages = {entry["stage"]: entry for entry in details["stages"]}  # type: ignore[attr-defined]
    assert stages["mt"]["values"]["xCOMET"] == 50.0
    assert stages["mt"]["errors"] == [["xCOMET", "major", 1, 7, 0.75]]
    assert "errors" not in stages["asr"]
