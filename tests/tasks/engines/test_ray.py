"""Graphs on Ray: the bytes of the local engine though a worker is killed, errors in one line, 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from components.compute.device import use_threads
from components.errors import AntiphonError, ConfigError
from components.own_code import code_permission
from components.run_record import RunRecord
from flows.python_flows.pipeline import pipeline
from tasks.engines import engine
from tasks.task_options import unwrap
from tests.golden.systems.golden import stage_digests

CODE = """
import os, time

def note(name, records):
    with open(os.environ["CALLS"], "a", encoding="utf-8") as file:
        file.write(f"{name} {records[0]['id']} {os.getpid()}\\n")

def upper(records):
    note("upper", records)
    time.sleep(0.15)
    return [record["text"].upper() for record in records]

def ratio(records):
    return [len(record["text"]) % 2 for record in records]

def bang(records):
    return [record["text"] + "!" for record in records]

def fails(records):
    raise ValueError("no voice")
"""
PYTHON = {"kind": "python", "file": "steps.py", "batch": True}
NODES: dict[str, dict[str, Any]] = {
    "up": {**PYTHON, "function": "upper", "of": "data"},
    "odd": {**PYTHON, "function": "ratio", "output": "table", "of": "up"},
    "way": {"kind": "route", "of": "odd", "by": "value", "above": 0.5},
    "loud": {**PYTHON, "function": "bang", "of": "up", "when": "way.escalate"},
    "sed": {"kind": "command", "run": ["sed", "s/A/B/g"], "format": "text", "of": "loud"},
    "final": {"kind": "select", "of": ["sed", "up"]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Functions, and a data set of about ten shards."""
    path = tmp_path_factory.mktemp("ray")
    (path / "steps.py").write_text(CODE)
    rows = [
        {"id": f"u{n}", "text": f"a dog {n}{' word' * 40}", "source_language": "en", "target_language": "en"}
        for n in range(1000)
    ]
    (path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def on_ray(server: None, folder: Path) -> Iterator[None]:
    """Ray on this machine for the tests of this file."""
    pytest.importorskip("ray", reason="needs the extra ray")
    pytest.importorskip("pyarrow", reason="needs the extra ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(code_permission.VARIABLE, "1")
        patch.setenv("CALLS", str(folder / "calls"))
        patch.delenv("RAY_ADDRESS", raising=False)
        with engine.use_engine("ray"):
            yield


def run(folder: Path, store: str, nodes: dict[str, dict[str, Any]], name: str | None) -> RunRecord:
    where = {"data": str(folder / "data.jsonl"), "store": str(folder / store), "folder": str(folder)}
    return unwrap(pipeline(graph={"nodes": nodes}, engine=name, **where))


def bodies(store: Path) -> dict[str, bytes]:
    """The outcomes of every shard: their headers state the seconds."""
    return {path.name: path.read_bytes().partition(b"\n")[2] for path in store.glob("shards/*/*")}


@pytest.mark.server
def test_the_same_bytes_though_a_worker_is_killed(folder: Path, on_ray: None) -> None:
    """And while Ray is there, no other machine can reach it."""
    psutil = pytest.importorskip("psutil")
    calls, ended, listening = folder / "calls", Event(), set[str]()

    def kill() -> None:
        while not ended.is_set():
            lines = calls.read_text().splitlines() if calls.exists() else []
            if len(lines) >= 3:
                os.kill(int(lines[-1].split()[2]), signal.SIGKILL)
                here = psutil.Process()
                for process in (here, *here.children(recursive=True)):
                    with suppress(psutil.Error):
                        sockets = process.net_connections("tcp")
                        listening.update(one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN)
                return
            time.sleep(0.05)

    killer = Thread(target=kill)
    killer.start()
    record = run(folder, "ray", NODES, "ray")
    ended.set()
    killer.join()
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    computed = Counter(line.rpartition(" ")[0] for line in calls.read_text().splitlines())
    assert sum(computed.values()) <= len(computed) + 2  # at most what two killed workers had begun
    assert len({line.split()[2] for line in calls.read_text().splitlines()}) > 1
    assert {ref.stage: ref.items for ref in record.stages if ref.stage in NODES}["final"] == 1000

    calls.unlink()
    with engine.use_engine("local"):
        run(folder, "local", NODES, "local")
    assert bodies(folder / "ray").items() >= bodies(folder / "local").items()


@pytest.mark.server
def test_models_give_the_same_bytes(folder: Path, on_ray: None) -> None:
    """``python -m tests.golden.systems engines`` does the same for all presets and files of examples/."""
    graph = {"asr": {"kind": "recognize", "model": "packaged:whisper-tiny.en"}}
    graph |= {"mt": {"kind": "translate", "model": "packaged:multi30k-en-de", "of": "asr"}}
    where = {"graph": {"nodes": graph}, "data": "sample", "limit": 4, "target_language": "de"}
    stores = {name: folder / f"models-{name}" for name in ("ray", "local")}
    for name, store in stores.items():
        with use_threads(1), engine.use_engine(name):
            unwrap(pipeline(**where, engine=name, store=str(store)))
    digests = [stage_digests(store) for store in stores.values()]
    assert len(digests[0]) > 2
    assert digests[0].items() <= digests[1].items()


@pytest.mark.server
def test_a_node_that_fails_stops_those_that_read_it(folder: Path, on_ray: None) -> None:
    nodes = {**NODES, "loud": {**NODES["loud"], "function": "fails"}}
    with pytest.raises(
        AntiphonError, match=r"^loud: every record fails alike: ValueError: no voice"
    ) as error:
        run(folder, "ray", nodes, "ray")
    assert "\n" not in str(error.value)


@pytest.mark.server
def test_what_has_no_room_is_said_in_one_line(folder: Path, on_ray: None) -> None:
    nodes = {"up": {**NODES["up"], "function": "bang", "resources": {"gpus": 64}}}
    with pytest.raises(ConfigError, match=r"^resources: expected room for a worker of each of up \(gpus 64"):
        run(folder, "ray", nodes, "ray")
