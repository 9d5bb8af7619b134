"""The deployments on a real server: deployed, picked up by a worker, run with what the form sends."""

from __future__ import annotations

import json
import os
import shutil
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
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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


def tasks_of(url: str, run: str, expected: set[str]) -> set[str]:
    """The names of a flow run's tasks; the server writes them down some time after they have ended."""
    deadline = time.monotonic() + 30
    while True:
        found = call(url, "/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        names = {one["name"].rpartition("-")[0] for one in found}
        if names == expected or time.monotonic() > deadline:
            return names
        time.sleep(0.5)


@pytest.fixture(scope="module")
def deployments(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Every deployment of prefect.yaml by name, with a worker that waits for runs."""
    home = tmp_path_factory.mktemp("worker")
    prefect(prefect_url, home, "work-pool", "create", "antiphon", "--type", "process", "--overwrite")
    prefect(prefect_url, home, "deploy", "--all")
    with worker(prefect_url, home):
        yield {one["name"]: one for one in call(prefect_url, "/deployments/filter", {})}


@pytest.fixture
def data(tmp_path: Path) -> str:
    sentences = ["A dog runs on the beach.", "Two children play football.", "A man sleeps on a bench."]
    rows = [
        {"id": f"s{n}", "text": text, "source_language": "en", "target_language": "de", "references": [text]}
        for n, text in enumerate(sentences)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "data.jsonl")


def artifacts(url: str, run: str) -> dict[str, dict[str, Any]]:
    """Artifacts of a flow run by key."""
    found = call(url, "/artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}})
    return {one["key"]: one for one in found}


def test_what_is_deployed(deployments: dict[str, Any]) -> None:
    cascade = deployments["cascade"]
    assert cascade["tags"] == ["antiphon"]
    assert [(s["slug"], s["active"]) for s in cascade["schedules"]] == [("nightly", False)]
    assert [(s["slug"], s["active"]) for s in deployments["nightly-evaluation"]["schedules"]] == [
        ("nightly", False)
    ]
    assert cascade["global_concurrency_limit"]["limit"] == 1
    assert cascade["concurrency_options"]["collision_strategy"] == "ENQUEUE"


def test_a_cascade_over_the_api(
    prefect_url: str, deployments: dict[str, Any], data: str, tmp_path: Path
) -> None:
    cascade = deployments["cascade"]
    store = tmp_path / "store"
    parameters = as_the_form_sends(cascade, data=data, store=str(store), name="over-the-api")
    started = call(prefect_url, f"/deployments/{cascade['id']}/create_flow_run", {"parameters": parameters})
    run = ended(prefect_url, started["id"])
    assert run["state_name"] == "Completed", run["state"]
    record = json.loads((store / "runs" / "over-the-api" / "run.json").read_text())
    assert record["status"] == "completed"
    assert {"bleu", "chrf", "ter"} == set(record["metrics"])
    found = artifacts(prefect_url, started["id"])
    assert {"mt-stage", "mt-examples", "summary", "report"} <= found.keys()
    assert len({one["type"] for one in found.values()}) >= 3
    (row,) = json.loads(found["mt-stage"]["data"])
    assert (row["state"], row["records"]) == ("computed", 3)
    assert row["weights (sha256)"].startswith("model ")
    plot = found["plot-stage-seconds"]
    assert plot["type"] == "image"
    assert plot["data"].startswith("data:image/png;base64,")
    expected = {"data", "asr", "mt", "translate shard", "metrics", "report"}
    assert tasks_of(prefect_url, started["id"], expected) == expected


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
def test_a_comparison_through_the_form(
    prefect_url: str, deployments: dict[str, Any], data: str, tmp_path: Path
) -> None:
    """What a person does: open the deployment's form, change fields, press the button, read the artifacts."""
    store = tmp_path / "store"
    deployment = deployments["compare"]
    started = submit(
        prefect_url,
        deployment["id"],
        {
            "data set of all systems": data,
            "folder or fsspec URL": str(store),
            "name of the run": "by-hand",
        },
    )
    run = ended(prefect_url, started)
    assert run["state_name"] == "Completed", run["state"]
    record = json.loads((store / "runs" / "by-hand" / "run.json").read_text())
    assert {name.partition(".")[0] for name in record["metrics"]} == {"greedy", "beam-5"}
    found = artifacts(prefect_url, started)
    assert {"comparison", "plot-quality-cost", "plot-differences", "report"} <= found.keys()
    rows = json.loads(found["comparison"]["data"])
    assert [row["system"] for row in rows] == ["greedy (baseline)", "beam-5"]
    verdicts = ("not told apart", "better", "worse", "too few to tell")
    assert rows[1]["Δ BLEU"].endswith(verdicts)


def submit(url: str, deployment: str, fields: dict[str, str]) -> str:
    """Fill in a deployment's form in headless Chromium, fields by their descriptions, and press its button.

    Gives the id of the flow run.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1800})
        page.goto(f"{url.removesuffix('/api')}/deployments/deployment/{deployment}/run")
        for description, value in fields.items():
            below = f"//*[starts-with(normalize-space(text()), '{description}')]/following::"
            page.locator(f"xpath={below}button[normalize-space(.)='str']").first.click(timeout=60_000)
            page.locator(f"xpath={below}*[self::input or self::textarea]").first.fill(value)
        for _ in range(3):  # a busy server's SQLite refuses now and then: a person presses again
            with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run")) as answered:
                page.get_by_role("button", name="Submit").click()
            if answered.value.ok:
                break
        assert answered.value.ok, answered.value.text()
        identifier: str = answered.value.json()["id"]
        browser.close()
    return identifier
