"""The deployments on a real server: deployed, picked up by a worker, run with what the form sends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.client.base import PrefectHttpxSyncClient

from antiphon import load_run, run_pipeline
from components.editing.correction import read_stored_corrections
from flows.server import settings
from tests.serving import ROOT

pytestmark = pytest.mark.server
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def call(url: str, path: str, body: object | None = None) -> Any:
    """One request to Prefect's API, with the token that every change needs."""
    with PrefectHttpxSyncClient(base_url=url, enable_csrf_support=True, timeout=30) as client:
        return (client.get(path) if body is None else client.post(path, json=body)).json()


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


ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


def ended(url: str, run: str, others: Set[str] = frozenset()) -> dict[str, Any]:
    """The flow run once it has ended, or is in one of the other states."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        result: dict[str, Any] = call(url, f"/flow_runs/{run}")
        if result["state_type"] in ENDED | others:
            return result
        time.sleep(0.5)
    raise AssertionError("the flow run does not end")


def tasks_of(url: str, run: str, expected: set[str]) -> set[str]:
    """The names of a flow run's tasks; the server writes them down some time after they have ended."""
    deadline = time.monotonic() + 30
    while True:
        result = call(url, "/task_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        names = {one["name"] for one in result}
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
    result = call(url, "/artifacts/filter", {"flow_runs": {"id": {"any_": [run]}}})
    return {one["key"]: one for one in result}


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_web_page_can_start_nothing(prefect_url: str, kind: str) -> None:
    """Browsers ask before they send JSON to another origin, and send plain text without asking."""
    page = {"Origin": "http://evil.example"}
    with httpx.Client(base_url=prefect_url, headers=page) as browser:
        wish = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        asked = browser.options("/flow_runs/", headers=wish)
        assert (asked.status_code, asked.text) == (400, "Disallowed CORS origin")
        read = browser.get("/csrf-token", params={"client": "page"})
        assert "access-control-allow-origin" not in read.headers  # so the page cannot have it
        for path in ("/flows/", "/flow_runs/", "/deployments/filter"):
            sent = browser.post(path, content='{"name": "evil"}', headers={"Content-Type": kind})
            assert (sent.status_code, sent.json()) == (403, {"detail": "Missing CSRF token."})


def test_the_servers_that_are_started_here_are_all_so() -> None:
    """`prefect server start` in the project's folder, a run's own server, and compose.yaml's."""
    result = tomllib.loads((ROOT / "prefect.toml").read_text("utf-8"))["server"]["api"]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["server"]["environment"]
    for name in ("CORS_ALLOWED_ORIGINS", "CSRF_PROTECTION_ENABLED"):
        ours = settings.DEFAULTS[f"PREFECT_SERVER_{name}"]
        assert compose[f"PREFECT_SERVER_{name}"] == ours
        assert str(result[name.lower()]).lower() == ours


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
    result = artifacts(prefect_url, started["id"])
    assert {"mt-stage", "mt-examples", "summary", "report"} <= result.keys()
    assert len({one["type"] for one in result.values()}) >= 3
    (row,) = json.loads(result["mt-stage"]["data"])
    assert (row["state"], row["records"]) == ("computed", 3)
    assert row["weights (sha256)"].startswith("model ")
    plot = result["plot-stage-seconds"]
    assert plot["type"] == "image"
    assert plot["data"].startswith("data:image/png;base64,")
    expected = {"data", "asr", "mt", "mt 0", "metrics", "report"}
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
    result = artifacts(prefect_url, started)
    assert {"comparison", "plot-quality-cost", "plot-differences", "report"} <= result.keys()
    rows = json.loads(result["comparison"]["data"])
    bleu = {row["system"]: row["verdict"] for row in rows if row["metric"] == "BLEU"}
    assert bleu.keys() == {"greedy", "beam-5"}
    assert bleu["greedy"] == "baseline"
    assert bleu["beam-5"].endswith(("not told apart", "better", "worse", "too few to tell"))


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


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)")
@pytest.mark.usefixtures("server")
def test_a_review_through_the_form(prefect_url: str, deployments: dict[str, Any], tmp_path: Path) -> None:
    """A run waits until a person has corrected a transcript in its page; the correction is translated."""
    nodes: dict[str, dict[str, Any]] = {
        "asr": {"kind": "recognize", "model": "packaged:whisper-tiny.en", "beam_size": 1, "n_best": 1},
        "checked": {"kind": "review", "of": "asr", "worst": 2},
        "mt": {"kind": "translate", "of": "checked", "model": "packaged:multi30k-en-de"},
    }
    store = str(tmp_path / "store")
    values: dict[str, object] = {"data": "sample", "limit": 3, "graph": {"nodes": nodes}, "store": store}
    run = start(prefect_url, deployments["pipeline"], **values, name="reviewed")
    assert ended(prefect_url, run, {"PAUSED"})["state_name"] == "Paused"
    asked = answer_in_the_page(prefect_url, run, "A dog runs on the beach.", "Ann")
    assert ended(prefect_url, run)["state_name"] == "Completed"
    reviewed = load_run("reviewed", store=store)
    (folder,) = [Path(ref.path) for ref in reviewed.record.stages if ref.stage == "checked-answers"]
    corrected, approved = sorted(read_stored_corrections(folder), key=lambda each: each.id != asked)
    assert (corrected.id, corrected.text, corrected.by) == (asked, "A dog runs on the beach.", "Ann")
    assert approved.text == approved.before != ""
    translations = {row["id"]: row["text"] for row in reviewed.records("mt")}
    assert translations[asked] == "Ein Hund rennt am Strand."
    nodes["checked"]["unattended"] = "pass"
    again = run_pipeline({"nodes": nodes}, data="sample", limit=3, store=store)
    assert all(ref.reused for ref in again.record.stages if ref.stage in nodes)  # nobody is asked again


def start(url: str, deployment: dict[str, Any], **values: object) -> str:
    """Start a run of a deployment; gives its id."""
    parameters = {"parameters": as_the_form_sends(deployment, **values)}
    identifier: str = call(url, f"/deployments/{deployment['id']}/create_flow_run", parameters)["id"]
    return identifier


def answer_in_the_page(url: str, run: str, text: str, name: str) -> str:
    """Correct the first text of a paused run's form in headless Chromium; gives the utterance's id."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1200})
        page.goto(f"{url.removesuffix('/api')}/runs/flow-run/{run}")
        page.get_by_role("button", name="Resume").click(timeout=60_000)
        fields = page.locator("textarea")
        fields.nth(2).wait_for()
        asked = page.get_by_text("caption-").first.inner_text().split()[0]
        fields.first.fill(text)
        fields.last.fill(name)
        with page.expect_response(lambda answer: answer.url.endswith("/resume")) as answered:
            page.get_by_role("button", name="Submit").click()
        assert answered.value.ok, answered.value.text()
        browser.close()
    return asked
