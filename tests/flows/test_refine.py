"""The refine flow with an editor that needs no model: rounds as stages, gate, stopping, reuse, harm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from components.attribution.contributions import CONTRIBUTION
from components.errors import ConfigError
from components.recognition import factory as recognition
from components.records import Decision, NBest, Outcome, Quarantined, Utterance
from components.refining.config import RefineConfig
from components.refining.judging import gates
from components.run_record import RunRecord
from components.storage.stages.reader import read_nbests
from components.storage.store import Store
from flows.preset_flow import refine
from flows.python_flows.contribution import contribution
from flows.registry import flow_named
from reports.page.report_view import view_of
from tasks.task_options import unwrap
from tests.command import run_command
from tests.flows import fakes
from tests.manifests import write_rows


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    fakes.install(monkeypatch)
    monkeypatch.setitem(gates.GATES, "fluency", lambda *_: lambda items, texts: [len(t) % 7 for t in texts])
    row = {"text": "ein Hund", "references": ["übersetzt: ein Hund!!"]}
    manifest = write_rows(tmp_path / "data.jsonl", [{"id": f"u{n}", **row} for n in range(3)])
    mt = {"model": "packaged:multi30k-en-de"}
    return {"data": manifest, "mt": mt, "store": str(tmp_path / "store"), "rounds": 6}


@pytest.mark.usefixtures("server")
def test_what_was_heard_is_scored_too(settings: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: fakes.Recognizer())
    spoken = {**settings, "data": "sample", "limit": 1, "rounds": 1}
    record = run(spoken, gate="off")
    assert record.metrics["wer"].value == 0
    assert "bleu" in record.metrics
    again = run({"store": spoken["store"], "rounds": 1, "draft": record.name}, gate="off")
    assert {s.stage: s.key for s in again.stages} == {s.stage: s.key for s in record.stages}
    assert all(ref.reused for ref in again.stages)


def run(settings: dict[str, object], **refinement: object) -> RunRecord:
    values = {**settings, "refine": refinement}
    parameters = flow_named("refine").parameters.model_validate(values)
    return unwrap(refine(**{f: getattr(parameters, f) for f in type(parameters).model_fields}))


def story(record: RunRecord) -> list[NBest]:
    return [next(read_nbests(ref)) for ref in record.stages if ref.stage.startswith("refine-")]


@pytest.mark.usefixtures("server")
def test_rounds_are_stages_cycles_stop_and_another_budget_reuses(settings: dict[str, object]) -> None:
    fakes.Editor.calls = 0
    record = run(settings, gate="off")
    assert [ref.stage for ref in record.stages] == [
        "data",
        "mt",
        *(f"refine-{n}" for n in (1, 2, 3, 4)),
        "metrics",
        "pools",
        "rounds",
    ]
    texts = [outcome.best.text.removeprefix("übersetzt: ein Hund") for outcome in story(record)]
    assert texts == ["!", "!!", "!!!", "!!"]  # the fourth was there before
    decisions = [outcome.best.decision for outcome in story(record)]
    assert [decision.stopped for decision in decisions if decision] == [None, None, None, "cycle"]
    assert decisions[0] == Decision(round=1, accepted=True, feedback="too calm")
    assert story(record)[0].best.system == "editor"
    assert "bleu_round_4" in record.metrics
    assert record.notes[-1] == "4 rounds; utterances ended by: cycle 3"
    curve, changed = json.loads((Path(record.stages[-1].path) / "tables.json").read_text())["tables"]
    assert [row["ended"] for row in curve["rows"]] == ["", "", "", "", "cycle 3"]
    assert curve["rows"][2]["score"] == f"{record.metrics['bleu_round_2'].value:.2f}"
    assert {row["last"] for row in changed["rows"]} == {"übersetzt: ein Hund!!"}
    assert (Path(record.stages[-1].path) / "rounds.png").stat().st_size > 1000
    assert record.metrics["harm_rate"].value == pytest.approx(25.0)
    assert fakes.Editor.calls == 4
    rows = {row.stage: row.models for row in view_of(record, Store(str(settings["store"]))).stages()}
    assert list(rows["refine-1"]) == [RefineConfig().model]
    assert list(rows["mt"]) == ["packaged:multi30k-en-de"]
    assert (rows["data"], rows["metrics"]) == ({}, {})
    (result,) = CONTRIBUTION.read(contribution(run=record.name, store=settings["store"]).stages[-1]).systems
    scores = [record.metrics[f"bleu_round_{n}"].value for n in range(5)]
    assert [one.share.value for one in result.shares if one.share] == pytest.approx(
        [after - before for before, after in pairwise(scores)]
    )
    assert result.nobody == pytest.approx(scores[0])
    assert fakes.Editor.calls == 4
    again = run({**settings, "rounds": 2}, gate="off")
    assert fakes.Editor.calls == 4
    assert again.notes[-1] == "2 rounds; utterances ended by: rounds 3"
    assert all(ref.reused for ref in again.stages if ref.stage.startswith("refine"))


@pytest.mark.usefixtures("server")
def test_the_gate_keeps_what_is_better_under_it(settings: dict[str, object]) -> None:
    record = run(settings, gate="fluency")
    estimates = [len("übersetzt: ein Hund") % 7, *(o.best.features["gate"] for o in story(record))]
    assert estimates == sorted(estimates)
    last = story(record)[-1]
    assert last.best.decision
    assert not last.best.decision.accepted
    assert len(last.hypotheses) == 2  # the rejected proposal is kept beside what stays
    assert last.best.features["gate"] > last.hypotheses[1].features["gate_proposed"]


@pytest.mark.usefixtures("server")
def test_a_finished_run_is_the_draft(settings: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    first = run({**settings, "rounds": 1, "name": "first"}, gate="off")
    second = run({"store": settings["store"], "rounds": 1, "draft": "first"}, gate="off")
    assert [s.stage for s in second.stages] == [s.stage for s in first.stages]
    assert {s.stage: s.key for s in second.stages[:2]} == {s.stage: s.key for s in first.stages[:2]}
    assert story(second) == story(first)
    assignments = [f"--set={one}" for one in ("draft=first", "rounds=1", "refine.gate=off")]
    ended = run_command(capsys, "plan", "refine", *assignments, "--json", "--store", str(settings["store"]))
    forecast = ended.line["forecast"]
    assert {name: (node["status"], node["key"]) for name, node in forecast.items()} == {
        s.stage: ("reused", s.key) for s in second.stages if s.stage in ("mt", "refine-1")
    }
    with pytest.raises(ConfigError, match="limit: expected none with a draft"):
        run({"store": settings["store"], "rounds": 1, "draft": "first", "limit": 2}, gate="off")


@pytest.mark.usefixtures("server")
def test_where_nothing_was_heard_there_are_no_rounds(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(fakes.Recognizer):
        def recognize(self, utterances: Sequence[Utterance]) -> list[Outcome]:
            return [Quarantined(utterance_id=u.id, stage="asr", reason="deaf", detail="") for u in utterances]

    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: Deaf())
    record = run({**settings, "data": "sample", "limit": 1}, gate="off")
    assert record.status == "completed with quarantine"
    assert [ref.stage for ref in record.stages] == ["data", "asr", "metrics"]
    assert record.notes[0] == "1 of 1 records quarantined in stage asr"


@pytest.mark.usefixtures("server")
def test_a_gate_is_not_judged_by_itself(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="never fails"):
        run(settings, gate="reference_chrf", reported="chrf")
