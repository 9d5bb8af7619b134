"""`antiphon serve` as a process of its own, and what it refuses to serve."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import httpx
import pytest

from components.errors import ConfigError
from components.serving.kept_data import KeptRequests
from components.serving.settings import ServeSettings
from components.storage.layout import LAYOUT, VERSION
from flows import serving
from flows.cli.compute.parameters.run_parameters import resolve_parameters
from flows.registry import flow_named
from flows.serving import Source, _add_listeners, _languages_of, open_graph
from tests.command import run_command

ROOT = Path(__file__).parents[2]
STEPS = """
import time

def shout(record):
    time.sleep(1.5 if record["text"] == "slow" else 0)
    return record["text"].upper()
"""
GRAPH = """
source_language: en
nodes:
  loud: {kind: python, file: steps.py, function: shout, of: data}
outputs: {transcript: loud}
"""


class Served:
    """A server at a socket: its process, its store, a client."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        (folder / "steps.py").write_text(STEPS, encoding="utf-8")
        (folder / "talks.yaml").write_text(GRAPH, encoding="utf-8")
        socket = folder / "server.socket"
        command = [sys.executable, "-m", "flows.cli.main", "serve", str(folder / "talks.yaml"), "--keep", "1"]
        command += ["--socket", str(socket), "--store", str(self.store)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        transport = httpx.HTTPTransport(uds=str(socket))
        self.path = str(socket)
        self.client = httpx.Client(transport=transport, base_url="http://localhost", timeout=60)
        until = time.monotonic() + 120
        while "ready" not in (said := self.log.read_text(encoding="utf-8")):
            assert self.process.poll() is None and time.monotonic() < until, said
            time.sleep(0.1)

    def ask(self, text: str) -> httpx.Response:
        """Send a text."""
        body = {"messages": [{"role": "user", "content": text}]}
        return self.client.post("/v1/chat/completions", json=body)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for the module; the last test ends it."""
    server = Served(tmp_path_factory.mktemp("served"))
    yield server
    server.process.kill()
    server.process.wait()


def test_a_server_answers_keeps_and_says_so(served: Served) -> None:
    with ExitStack() as idle:  # connections of which nothing is asked keep nobody out
        for _ in range(150):
            idle.enter_context(socket.socket(socket.AF_UNIX)).connect(served.path)
        answer = served.ask("hello")
    assert answer.json()["choices"][0]["message"]["content"] == "HELLO"
    said = served.log.read_text(encoding="utf-8")
    assert "models talks, talks/transcript" in said and "100% of requests are kept" in said
    until = time.monotonic() + 10
    content = ""
    while not content.endswith("\n") and time.monotonic() < until:
        content = "".join(each.read_text("utf-8") for each in served.store.glob("kept/talks/*/*.jsonl"))
        time.sleep(0.05)
    row = json.loads(content)
    assert (row["text"], row["served"]["nodes"]["loud"]["text"]) == ("hello", "HELLO")


def test_after_sigterm_what_was_let_in_is_answered(served: Served) -> None:
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(served.ask("slow")))
    asking.start()
    time.sleep(0.5)
    served.process.send_signal(signal.SIGTERM)
    asking.join(30)
    assert answers[0].json()["choices"][0]["message"]["content"] == "SLOW"
    assert served.process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        served.ask("late")


def test_an_address_that_is_taken_is_refused_before_models_are_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_server("taken", family=socket.AF_UNIX),
    ):
        port, sockets = str(other.getsockname()[1]), ("/nowhere/socket", "taken", "file", "x" * 120)
        for where in (["--port", port], *(["--socket", path] for path in sockets)):
            ended = run_command(capsys, "serve", "cascade", *where)
            assert ended.code == 2
            assert "choose another" in ended.err


def test_other_machines_need_a_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTIPHON_SERVE_TOKEN", raising=False)
    for arguments, words in (
        (["--host", "0.0.0.0"], "ANTIPHON_SERVE_TOKEN"),
        (["--keep", "2"], "found 2"),
        (["--keep", "x"], "NODE.BRANCH"),
        (["--shadow", "misspelled.yaml"], "misspelled.yaml: expected a readable YAML file"),
    ):
        ended = run_command(capsys, "serve", "cascade", *arguments)
        assert ended.code == 2
        assert words in ended.err


ROUTE = """
data: sample
source_language: en
target_language: de
nodes:
  fast: {{kind: translate, model: "packaged:multi30k-en-de", beam_size: 1, n_best: 1}}
  doubt: {{kind: route, of: fast, by: mean_log_prob, budget: 0.5{dev}}}
  good: {{kind: translate, model: "packaged:multi30k-en-de", when: doubt.escalate}}
  de: {{kind: select, of: [good, fast]}}
"""


def test_what_nodes_learn_must_be_finished(tmp_path: Path) -> None:
    (tmp_path / "dev.en").write_text("A cat.\nA dog.\n", encoding="utf-8")
    (tmp_path / "dev.de").write_text("Eine Katze.\nEin Hund.\n", encoding="utf-8")
    for dev, words in (
        ("", "serve store:RUN, or give it dev"),
        (f', dev: "{tmp_path}/dev.en,{tmp_path}/dev.de"', "expected doubt--fit finished in the store"),
    ):
        file = tmp_path / "route.yaml"
        file.write_text(ROUTE.format(dev=dev), encoding="utf-8")
        entry, parameters = resolve_parameters(str(file), None, [], {"store": str(tmp_path / "store")})
        with pytest.raises(ConfigError, match=words):
            open_graph(Source("route", entry, parameters))


def test_the_name_of_a_run_is_no_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / LAYOUT).write_text(json.dumps({"version": VERSION}), encoding="utf-8")
    (tmp_path / "runs/nightly").mkdir(parents=True)
    ended = run_command(capsys, "serve", "nightly", "--store", str(tmp_path))
    assert ended.code == 2 and "say store:nightly" in ended.err


def test_a_shadow_takes_what_the_first_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(serving, "Shadow", lambda command, *_: started.append(command))
    settings = ServeSettings(shadow="other.yaml", max_characters=70_000, max_seconds=7200, timeout=900)
    _add_listeners(Mock(settings=settings), KeptRequests(tmp_path, "talks"))
    for limit in ("--max-characters 70000", "--max-seconds 7200.0", "--timeout 900.0", "--name shadow"):
        assert limit in " ".join(started[0])


def test_requests_are_kept_where_one_may_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").write_text("no folder", encoding="utf-8")
    ended = run_command(capsys, "serve", "cascade", "--port", "0", "--keep", "1", "--store", str(tmp_path))
    assert ended.code == 2 and "expected a folder that you may write to" in ended.err


def test_requests_are_captions_only_where_the_graph_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "talk.yaml"
    for data, expected in (("", None), ("data: sample\n", "sample")):
        file.write_text(f"{data}target_language: de\nnodes: {{de: {{kind: translate}}}}\n", encoding="utf-8")
        entry, parameters = resolve_parameters(str(file), None, [], {"store": str(tmp_path)})
        monkeypatch.setattr("flows.serving._build", lambda _, __, taken, *___: taken.data_set[0])
        assert open_graph(Source("talk", entry, parameters)) == expected


def test_a_run_is_served_in_the_languages_of_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(stages=(SimpleNamespace(stage="data"),))
    for own, pairs, expected in (
        ((None, None), {("en", "de")}, {"source_language": "en", "target_language": "de"}),
        (("en", None), {("en", "de")}, {"target_language": "de"}),
        ((None, None), {("und", None)}, {}),
        ((None, None), {("en", "de"), ("fr", "de")}, {}),
    ):
        monkeypatch.setattr("flows.serving.pipeline_of", lambda _, own=own: SimpleNamespace(languages=own))
        monkeypatch.setattr("flows.serving.profiles_of", lambda _: ())
        monkeypatch.setattr("flows.serving.language_pairs", lambda _, pairs=pairs: frozenset(pairs))
        assert _languages_of(run, flow_named("pipeline")) == expected  # type: ignore[arg-type]
