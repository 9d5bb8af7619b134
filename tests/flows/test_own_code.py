"""Whole graphs with own functions and programs: a served model, routes, corrections, who may run them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from antiphon import run_pipeline
from components import models
from components.confidence.evaluation.analysis import CONFIDENCE
from components.errors import ConfigError, DataError, TransientError
from components.own_code import code_permission
from components.recognition import factory as recognition
from components.refining import methods
from components.refining.judging import gates
from components.run_record import RunRecord, StageRef
from components.storage.stages.reader import read_best_texts, read_quarantined
from components.translation import factory as translation
from flows.cli import main as cli
from flows.python_flows.pipeline import pipeline
from tasks.task_options import unwrap
from tests.components.storage.written import lines_at
from tests.flows import fakes
from tests.openai_server import OpenAIServer

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("server")]
EXAMPLES = Path(__file__).parents[2] / "examples"


class Served(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint: answers in capitals; refuses one text."""

    requests: list[dict[str, Any]] = []  # noqa: RUF012 - of the class, which the server instantiates
    down = False

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append(request | {"path": self.path, "key": self.headers["Authorization"]})
        text = request["messages"][-1]["content"]
        answer = json.dumps({"choices": [{"message": {"content": text.upper()}}]}).encode()
        self.send_response(503 if self.down else 400 if text == "poison" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Served]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_address[1]}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test")
    monkeypatch.setattr(Served, "requests", [])
    yield Served
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a graph's files and a data set, where own code may run."""
    monkeypatch.setenv(code_permission.VARIABLE, "1")
    shutil.copy(EXAMPLES / "served.py", tmp_path)
    texts = ["a cat", "poison", "a very long sentence", "dogs", "two very long sentences"]
    rows = [{"id": f"u{n}", "text": text, "references": [text.upper()]} for n, text in enumerate(texts)]
    languages = {"source_language": "en", "target_language": "de"}
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(languages | row) + "\n" for row in rows))
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
    record = unwrap(pipeline(graph={"nodes": nodes}, **where, **values))
    assert isinstance(record, RunRecord)
    return record


def stages(record: RunRecord) -> dict[str, StageRef]:
    return {ref.stage: ref for ref in record.stages}


def test_a_served_model_and_a_program_on_two_ways(folder: Path, served: type[Served]) -> None:
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
    (first, *_) = served.requests
    assert (first["path"], first["model"], first["key"]) == (
        "/v1/chat/completions",
        "stub",
        "Bearer sk-of-the-test",
    )
    assert first["messages"][0]["content"].startswith("Translate from en to de.")
    texts = [
        path for path in (folder / "store").rglob("*") if path.is_file() and b"sk-of" in path.read_bytes()
    ]
    assert not texts  # no secret in what is stored

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
    folder: Path, served: type[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "down", True)
    with pytest.raises(TransientError, match="mt: HTTPError: HTTP Error 503"):
        run(folder, NODES)
    monkeypatch.setattr(served, "down", False)
    refs = stages(run(folder, NODES))
    assert read_best_texts(refs["mt"]) == {"u0": "A CAT", "u3": "DOGS"}
    assert refs["sed"].reused  # the branch that did not fail


def test_a_time_limit_that_was_too_short_leaves_nothing_behind(folder: Path) -> None:
    """No record is lost to it: the stage is not sealed, and a larger limit computes what is missing."""
    slow = {"kind": "command", "run": ["sh", "slow.sh"], "also": ["slow.sh"], "format": "text", "of": "data"}
    (folder / "slow.sh").write_text(
        'while read -r line; do [ "$line" != dogs ] || sleep 2; echo $line; done\n'
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
    folder: Path, served: type[Served], monkeypatch: pytest.MonkeyPatch
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
    for room, name in ((models, "resolve"), (models, "check")):
        monkeypatch.setattr(room, name, getattr(fakes, name, lambda *_, **__: None))
    monkeypatch.setattr(recognition, "build", lambda config, store=None, seed=0: fakes.Recognizer())
    monkeypatch.setattr(translation, "build", lambda *_, **__: fakes.Translator())
    monkeypatch.setitem(methods.METHODS, "self_refine", fakes.Editor)
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
    with pytest.raises(SystemExit) as ending:
        cli.main(arguments)
    assert not ending.value.code
    run = json.loads(capsys.readouterr().out.splitlines()[-1])
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
