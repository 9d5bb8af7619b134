"""After a run: it is replayed, its recognizer probed, new data announced and watched, requests compared."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from components.errors import ConfigError, DataError
from components.models.loaders import language_model
from components.monitoring.drift.analysis import WATCH
from components.monitoring.probing.analysis import PROBE
from components.run_record import RunRecord
from components.serving.kept_data import KeptRequests
from components.simultaneous.analysis import SIMULTANEOUS
from components.storage.runs.accepted_runs import accept_run
from components.storage.store import Store
from flows.checks import run_checks
from flows.parameters.watch import WatchParameters
from flows.python_flows.pipeline import pipeline
from flows.python_flows.probe import probe
from flows.python_flows.simultaneous import simultaneous
from flows.python_flows.watch import watch
from flows.registry import flow_named
from tasks.task_options import unwrap
from tests.command import run_command, run_for_json
from tests.flows import fakes
from tests.manifests import write_rows

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
GREEDY = {"beam_size": 1, "n_best": 1}
ASR = {"kind": "recognize", "model": "packaged:whisper-tiny.en", **GREEDY}
MT = {"kind": "translate", "model": "packaged:multi30k-en-de", **GREEDY}


def stage(record: RunRecord, name: str) -> Any:
    return next(ref for ref in record.stages if ref.stage == name)


@pytest.mark.models
def test_a_run_is_replayed_under_two_policies(tmp_path: Path) -> None:
    """Who waits for the whole sentence writes what the run has, and later than who writes at once."""
    graph = {"nodes": {"asr": ASR, "mt": {**MT, "of": "asr"}}}
    where = {"store": str(tmp_path)}
    unwrap(pipeline(graph=graph, data="sample", limit=2, target_language="de", name="base", **where))
    record = unwrap(simultaneous(run="base", policy=["wait_k:99", "wait_k:1"], chunk=[2.0], **where))
    findings = SIMULTANEOUS.read(stage(record, "simultaneous"))
    late, early = findings.points
    assert (late.n, early.n, late.faults) == (2, 2, {})
    assert late.scores == findings.offline
    assert late.heard["laal"].value > early.heard["laal"].value
    assert abs(late.costs["bleu"]["policy of mt"].value) < 1e-9


@pytest.mark.models
def test_a_recognizer_is_probed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By words that are silenced, and by the opening of another recording, beside what is guessed."""
    guesser = SimpleNamespace(
        likely_words=lambda text, most: ["dog"], score_variants=lambda texts: [-1.0] * len(texts)
    )
    monkeypatch.setattr(language_model, "load_language_model", lambda *_: guesser)
    graph = {"nodes": {"asr": ASR}}
    record = unwrap(probe(graph=graph, data="sample", limit=2, words=1, store=str(tmp_path), name="probed"))
    findings = PROBE.read(stage(record, "probe"))
    assert [verdict.kind for verdict in findings.verdicts] == ["silence", "cue"]
    assert all(0 < row.guess < 1 for row in findings.rows)
    assert "words silenced" in (tmp_path / "runs" / "probed" / "report.html").read_text(encoding="utf-8")


def test_every_night_s_texts_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nights are one life; one whose texts are others is told, with a list to correct."""
    fakes.install(monkeypatch)
    store, path = str(tmp_path / "store"), tmp_path / "night.jsonl"

    def write(night: int, words: str) -> str:
        rows = [{"id": f"{night}-{k}", "text": f"{words}{' so' * (k % 5)}"} for k in range(30)]
        return write_rows(path, [{**row, "source_language": "en", "target_language": "de"} for row in rows])

    unwrap(pipeline(graph={"nodes": {"mt": MT}}, data=write(0, "a dog runs"), name="base", store=store))
    accept_run(Store(store), "base")

    def look(night: int, words: str) -> tuple[RunRecord, Any]:
        record = unwrap(watch(accepted="base", data=write(night, words), store=store, name=f"look-{night}"))
        return record, WATCH.read(stage(record, "watch"))

    checks = flow_named("watch").checks
    with pytest.raises(ConfigError, match="watch: expected utterances in base that the"):
        run_checks(checks(WatchParameters(runs=("base",), accepted="base", store=store)))
    with pytest.raises(DataError, match="expected utterances in base-night-"):
        look(0, "a dog runs")
    assert not (tmp_path / "store" / "runs" / "look-0").exists()
    _, first = look(1, "a cat sits")
    assert (first.n, first.earlier, first.change) == (30, 0, None)
    record, second = look(2, "a cat sits" + " and sleeps" * 30)
    assert (second.n, second.earlier) == (60, 30)
    assert second.change is not None
    listed = tmp_path / "store" / "runs" / "look-2" / "correct-mt.tsv"
    assert len(listed.read_text(encoding="utf-8").splitlines()) == 1 + len(second.proposed)
    assert any(str(listed) in note for note in record.notes)


def test_a_change_of_data_is_announced_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``data announce`` sends the event that starts deployments, and says by its exit code whether it did."""
    monkeypatch.setenv("ANTIPHON_CACHE", str(tmp_path / "cache"))
    rows = [{"id": "a", "text": "a dog", "source_language": "en"}]
    manifest = write_rows(tmp_path / "new.jsonl", rows)
    codes = [run_command(capsys, "data", "announce", manifest).code for _ in range(2)]
    write_rows(tmp_path / "new.jsonl", [*rows, {**rows[0], "id": "b"}])
    code, line = run_for_json(capsys, "data", "announce", manifest)
    assert (codes, code) == ([0, 4], 0)
    assert line == {"data": manifest, "audio": None, "changed": True}
    assert run_command(capsys, "data", "announce", str(tmp_path / "none.jsonl")).code == 2
    event = {"event": {"name": ["antiphon.data.changed"]}, "resource": {"id": [f"antiphon.data.{manifest}"]}}
    with get_client(sync_client=True) as client:
        for _ in range(50):  # the server writes them down a moment later
            n_events = client._client.post("/events/filter", json={"filter": event}).json()["total"]
            if n_events == 2:
                break
            time.sleep(0.2)
    assert n_events == 2


def test_a_shadow_is_judged_by_a_corrected_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.install(monkeypatch)
    store, kept = str(tmp_path / "store"), KeptRequests(tmp_path / "store", "talks")
    texts = {f"r{n}": f"satz nummer {n} ist gut" for n in range(30)}
    for key, right in texts.items():
        answers = {"first": {"graph": "a", "text": right.replace("gut", "da"), "seconds": 0.5}}
        answers |= {"second": {"graph": "b", "text": right, "seconds": 1.0}}
        kept.add_shadow({"id": key, "output": "translation", "language": "de", **answers})
    rows = [{"id": key, "text": key, "source_language": "en", "target_language": "de"} for key in texts]
    lines = "".join(f"{key}\t{right}\n" for key, right in texts.items())
    (tmp_path / "right.tsv").write_text(f"id\ttext\n{lines}", encoding="utf-8")
    nodes = {"mt": MT, "right": {"kind": "edit_from_file", "of": "mt", "file": str(tmp_path / "right.tsv")}}
    data = write_rows(tmp_path / "data.jsonl", rows)
    unwrap(pipeline(graph={"nodes": nodes}, data=data, store=store, name="by-hand"))
    compare = ("compare", "--store", store, "--shadow")
    code, line = run_for_json(capsys, *compare, "talks", "--corrected", "by-hand")
    agreement, verdict = line["tables"]
    assert (code, agreement["rows"][0]["requests"]) == (0, "30")
    assert {row["the shadow is"] for row in verdict["rows"]} == {"better"}
    ended = run_command(capsys, *compare, "talk")
    assert ended.code == 2 and "did you mean talks?" in ended.err
