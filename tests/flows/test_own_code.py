"""Whole graphs with own functions and programs: a served model, routes, corrections, who may run them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from antiphon import run_pipeline
from components.confidence.evaluation.analysis import CONFIDENCE
from components.errors import ConfigError, DataError, TransientError
from components.own_code import code_permission
from components.refining.judging import gates
from components.run_record import RunRecord, StageRef
from components.storage.stages.reader import read_best_texts, read_quarantined
from flows.python_flows.pipeline import pipeline
from tasks.task_options import unwrap
from tests.command import run_command
from tests.components.storage.written import lines_at
from tests.flows import fakes
from tests.manifests import write_rows
from tests.openai_server import KEY, OpenAIServer, on

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def served(endpoint: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    """The server that the example's function asks, which refuses one text."""
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    endpoint.models = ["stub"]
    endpoint.faults.append(on("poison", lambda handler: handler.fail(400, "a text that is refused")))
    return endpoint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a graph's files and a data set, where own code may run."""
    monkeypatch.setenv(code_permission.VARIABLE, "1")
    shutil.copy(EXAMPLES / "served.py", tmp_path)
    texts = ["a cat", "poison", "a very long sentence", "dogs", "two very long sentences"]
    rows = [{"id": f"u{n}", "text": text, "references": [text.upper()]} for n, text in enumerate(texts)]
    write_rows(tmp_path / "data.jsonl", rows)
    (tmp_path / "corrections.tsv").write_text("id\ttext\nu3\tHunde\n")
    return tmp_path


MT = {"kind": "python", "file": "served.py", "function": "translate", "to": "target"}
NODES: dict[str, dict[str, Any]] = {
    "long": {"kind": "route", "by": "length", "above": 12},
    "mt": {**MT, "arguments": {"model": "stub"}, "when": "long.keep"},
    "sed": {"kind": "command", "run": ["sed", "s/^/de: /"], "format": "text", "to": "target"}
    | {"when": "long.escalate"},
    "both": {"kind": "select", "of": ["mt", "sed"]},
    "final": {"kind": "edit_from_file", "file": "corrections.tsv", "of": "both"},
}


def run(folder: Path, nodes: dict[str, dict[str, Any]], **values: Any) -> RunRecord:
    where = {"data": str(folder / "data.jsonl"), "store": str(folder / "store"), "folder": str(folder)}
    return unwrap(pipeline(graph={"nodes": nodes}, **{**where, **values}))


def stages(record: RunRecord) -> dict[str, StageRef]:
    return {ref.stage: ref for ref in record.stages}


def test_a_served_model_and_a_program_on_two_ways(folder: Path, served: OpenAIServer) -> None:
    record = run(folder, NODES)
    assert record.status == "completed with quarantine"
    refs = stages(record)
    branches = [json.loads(line) for line in lines_at(refs["long"].path)]
    assert {row["utterance_id"]: row["branch"] for row in branches} == {
        **dict.fromkeys(["u0", "u1", "u3"], "keep"),
        **dict.fromkeys(["u2", "u4"], "escalate"),
    }
    assert read_best_texts(refs["mt"]) == {"u0": "A CAT", "u3": "DOGS"}
    assert read_best_texts(refs["final"]) == {
        "u0": "A CAT",
        "u2": "de: a very long sentence",
        "u3": "Hunde",
        "u4": "de: two very long sentences",
    }
    (poison,) = read_quarantined(refs["mt"])
    assert poison.utterance_id == "u1"
    assert "HTTPError: HTTP Error 400" in poison.detail
    assert record.metrics["bleu"].n == 4
    assert served.bodies[0]["messages"][0]["content"].startswith("Translate from en to de.")
    stored = [path for path in (folder / "store").rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in stored)  # no secret in what is stored

    asked = len(served.requests)
    (folder / "corrections.tsv").write_text("id\ttext\nu0\tKatze\n")
    again = stages(run(folder, NODES))
    assert {name for name, ref in again.items() if not ref.reused} == {"final", "metrics"}
    assert len(served.requests) == asked
    with (folder / "served.py").open("a") as file:
        file.write("# a change\n")
    assert not stages(run(folder, NODES))["mt"].reused


def test_the_data_that_a_graph_names_are_run_over_in_python_too(folder: Path) -> None:
    """A file as its mapping; what an argument says counts more, and None says nothing."""
    lines = {"nodes": {"sed": {**NODES["sed"], "when": None}}, "data": str(folder / "data.jsonl"), "limit": 3}
    (folder / "graph.yaml").write_text(json.dumps({**lines, "data": "data.jsonl"}))
    where = {"store": str(folder / "store"), "name": None}
    for graph in (lines, folder / "graph.yaml"):
        ran = run_pipeline(graph, limit=None, **where)
        assert [utterance.id for utterance in ran.utterances] == ["u0", "u1", "u2"]
    (folder / "other.jsonl").write_text((folder / "data.jsonl").read_text().replace('"u', '"v'))
    ran = run_pipeline(lines, data=str(folder / "other.jsonl"), limit=1, **where)
    assert [utterance.id for utterance in ran.utterances] == ["v0"]


def test_a_server_that_is_down_is_no_answer_and_the_run_goes_on_later(
    folder: Path, served: OpenAIServer
) -> None:
    served.faults.insert(0, on("", lambda handler: handler.fail(503, "down")))
    with pytest.raises(TransientError, match="mt: HTTPError: HTTP Error 503"):
        run(folder, NODES)
    del served.faults[0]
    refs = stages(run(folder, NODES))
    assert read_best_texts(refs["mt"]) == {"u0": "A CAT", "u3": "DOGS"}
    assert refs["sed"].reused  # the branch that did not fail


def test_a_time_limit_that_was_too_short_leaves_nothing_behind(folder: Path) -> None:
    """No record is lost to it: the stage is not sealed, and a larger limit computes what is missing."""
    slow = {"kind": "command", "run": ["sh", "slow.sh"], "also": ["slow.sh"], "format": "text", "of": "data"}
    (folder / "slow.sh").write_text(
        'while read -r line; do [ "$line" != dogs ] || sleep 1; echo $line; done\n'
    )
    with pytest.raises(TransientError, match=r"^slow: u\d: expected sh to end in 0.5 s, found it running"):
        run(folder, {"slow": {**slow, "timeout": 0.5}})
    (ref,) = [ref for ref in run(folder, {"slow": slow}).stages if ref.stage == "slow"]
    assert (ref.reused, ref.items, ref.quarantined) == (False, 5, 0)


def test_a_number_that_no_text_of_own_code_has_fails_the_route_in_one_line(folder: Path) -> None:
    mt = {**NODES["sed"], "when": None}
    doubt = {"kind": "route", "of": "mt", "by": "mine", "below": 1}
    nodes = {"mt": mt, "doubt": doubt, "again": {**mt, "when": "doubt.escalate"}}
    with pytest.raises(
        DataError, match=r"^doubt.by: in every utterance: expected a number mine, found only "
    ):
        run(folder, nodes)


def test_what_can_be_refused_is_refused_before_anything_runs(
    folder: Path, served: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code of a deployment where none may run; corrections of utterances that are none."""
    (folder / "corrections.tsv").write_text("id\ttext\nu3\tHunde\nu9\tKatze\n")
    with pytest.raises(
        ConfigError, match=r"final: expected ids of utterances of the data, found 1 that .*'u9'"
    ):
        run(folder, NODES)
    monkeypatch.delenv(code_permission.VARIABLE)
    with pytest.raises(ConfigError) as fault:
        run(folder, NODES)
    lines = str(fault.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["mt", "sed"]
    assert all("ANTIPHON_ALLOW_CODE=1" in line for line in lines)
    assert not served.requests


@pytest.fixture
def without_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fakes in place of what has weights."""
    fakes.install(monkeypatch)
    monkeypatch.setitem(gates.GATES, "forward", lambda *_: lambda items, texts: [len(t) for t in texts])


OTHERS = ("tune", "student_route", "ensembles_of_one", "meta", "prune", "soup", "task_vectors")
"""Examples of another command, and those that make real models."""


@pytest.mark.usefixtures("without_models")
@pytest.mark.parametrize(
    "example",
    sorted(path for path in EXAMPLES.glob("*.yaml") if path.stem not in OTHERS),
    ids=lambda path: path.stem,
)
def test_an_example_runs_as_it_is(
    example: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    endpoint: OpenAIServer,
) -> None:
    endpoint.models, endpoint.answer = ["whisper-large-v3", "qwen3"], lambda text: "70"
    monkeypatch.setenv(
        code_permission.VARIABLE, ""
    )  # the command says it, and it is taken back after the test
    arguments = ["run", str(example), "--limit", "4", "--store", str(tmp_path), "--json"]
    ended = run_command(capsys, *arguments)
    assert not ended.code
    run = ended.line
    assert run["status"] == "completed"
    scores = {name.rpartition(".")[2]: score for name, score in run["metrics"].items()}  # SYSTEM.wer
    outputs = ("wer", "bleu") if "kind: translate" in example.read_text(encoding="utf-8") else ("wer",)
    assert [scores[name]["n"] for name in outputs] == [4] * len(outputs)


def test_estimates_are_measured_in_the_run_and_only_where_there_are_some(folder: Path) -> None:
    (folder / "sure.py").write_text(
        "def annotate(record):\n"
        "    length = float(len(record['text']))\n"
        "    return {'text': record['text'], 'features': {'expected_chrf': 100 - length}}\n"
        "def copy(record):\n"
        "    return record['text']\n"
    )
    mt = {"kind": "python", "file": "sure.py", "function": "annotate", "to": "target"}
    first, again = run(folder, {"mt": mt}, name="sure"), run(folder, {"mt": mt})
    signals = CONFIDENCE.read(stages(first)["confidence"]).signals
    assert [(row.node, row.outcome, row.signal, row.n) for row in signals] == [
        ("mt", "chrf", "expected_chrf", 5)
    ]
    assert stages(again)["confidence"].reused
    page = (folder / "store" / "runs" / "sure" / "report.html").read_text()
    assert ">Confidence</h2>" in page
    assert (folder / "store" / "runs" / "sure" / "plots" / "risk_coverage_mt_chrf.png").exists()
    plain = run(folder, {"mt": {**mt, "function": "copy"}})
    assert "confidence" not in stages(plain)
