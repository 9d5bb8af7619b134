"""The deployments on a real server: deployed, picked up by a worker, run with what the form sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.serving import ROOT

pytestmark = pytest.mark.server


def call(url: str, path: str, body: object | None = None) -> Any:
    """One request to Prefect's API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def environment(url: str, home: Path) -> dict[str, str]:
    here = {"PREFECT_API_URL": url, "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT), "PWD": str(ROOT)}
    return {**os.environ, **here}


def prefect(url: str, home: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        env=environment(url, home),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@contextmanager
def worker(url: str, home: Path) -> Iterator[None]:
    """A worker of the pool, asked to end afterwards."""
    log = (home / "worker.log").open("wb")
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "antiphon", "--limit", "1"]
    process = subprocess.Popen(command, env=environment(url, home), cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def as_the_form_sends(deployment: dict[str, Any], **changed: object) -> dict[str, object]:
    """Every field with its default, as the form is filled in, and what the user changes."""
    properties: dict[str, dict[str, Any]] = deployment["parameter_openapi_schema"]["properties"]
    values = {
        name: field["default"] for name, field in properties.items() if field.get("default") is not None
    }
    return {**values, **changed}


def ended(url: str, run: str) -> dict[str, Any]:
    """The flow run once it has ended."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        found: dict[str, Any] = call(url, f"/flow_runs/{run}")
        if found["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}:
            return found
        time.sleep(0.5)
    raise AssertionError("the flow run does not end")


def test_deployed_and_run_over_the_api(prefect_url: str, tmp_path: Path) -> None:
    prefect(prefect_url, tmp_path, "work-pool", "create", "antiphon", "--type", "process", "--overwrite")
    prefect(prefect_url, tmp_path, "deploy", "--all")
    found = call(prefect_url, "/deployments/filter", {})
    deployments = {one["name"]: one for one in found}
    assert {"cascade", "train"} <= set(deployments)
    cascade = deployments["cascade"]
    assert cascade["tags"] == ["antiphon"]
    assert [(s["slug"], s["active"]) for s in cascade["schedules"]] == [("nightly", False)]
    assert cascade["global_concurrency_limit"]["limit"] == 1
    assert cascade["concurrency_options"]["collision_strategy"] == "ENQUEUE"

    data = tmp_path / "two.jsonl"
    sentences = ["A dog runs on the beach.", "Two children play football."]
    rows = [
        {"id": f"s{n}", "text": text, "source_language": "en", "target_language": "de", "references": [text]}
        for n, text in enumerate(sentences)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = tmp_path / "store"
    parameters = as_the_form_sends(cascade, data=str(data), store=str(store), name="over-the-api")
    started = call(prefect_url, f"/deployments/{cascade['id']}/create_flow_run", {"parameters": parameters})
    with worker(prefect_url, tmp_path):
        run = ended(prefect_url, started["id"])
    assert run["state_name"] == "Completed", (tmp_path / "worker.log").read_text()[-4000:]

    record = json.loads((store / "runs" / "over-the-api" / "run.json").read_text())
    assert record["status"] == "completed"
    assert {"bleu", "chrf", "ter"} == set(record["metrics"])
    mine = {"flow_runs": {"id": {"any_": [started["id"]]}}}
    artifacts = call(prefect_url, "/artifacts/filter", mine)
    assert {"mt-examples", "summary", "report"} <= {one["key"] for one in artifacts}
    assert len({one["type"] for one in artifacts}) >= 3
    names = {one["name"].rpartition("-")[0] for one in call(prefect_url, "/task_runs/filter", mine)}
    assert names == {"data", "asr", "mt", "translate shard", "metrics", "report"}
