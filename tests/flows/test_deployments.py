"""The deployments on a real server: deployed, picked up by a worker, run with what the form sends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.client.base import PrefectHttpxSyncClient

from antiphon import load_run, run_pipeline
from components.editing.correction import read_stored_corrections
from components.storage.runs.run_listing import list_runs
from components.storage.store import Store
from flows.parameters.pipeline import PipelineParameters
from flows.server import settings
from tests.command import Ended, run_command
from tests.manifests import write_rows
from tests.serving import ROOT

pytestmark = pytest.mark.server
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def needs_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that drives the UI."""
    reason = "needs Chromium (Debian: apt-get install chromium)"
    return pytest.mark.browser(pytest.mark.skipif(CHROMIUM is None, reason=reason)(test))


def call(url: str, path: str, body: object | None = None) -> Any:
    """One request to Prefect's API, with the token that every change needs."""
    with PrefectHttpxSyncClient(base_url=url, enable_csrf_support=True, timeout=30) as client:
        return (client.get(path) if body is None else client.post(path, json=body)).json()


def environment(url: str, home: Path) -> dict[str, str]:
    here = {"PREFECT_API_URL": url, "PREFECT_HOME": str(home), "PYTHONPATH": str(ROOT), "PWD": str(ROOT)}
    return {**os.environ, **here, "ANTIPHON_ALLOW_CODE": "1"}


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


SHORT_LEASE = """
from prefect.concurrency import _leases
_leases._RENEWAL_FRACTION, _leases._RENEWAL_RETRY_BASE_DELAY = 0.003, 0.1
"""
"""Has runs renew the lease of their deployment's concurrency limit every second, not every 225."""


@contextmanager
def worker(url: str, home: Path) -> Iterator[None]:
    """A worker, which makes its pool as compose.yaml's does, asked to end afterwards."""
    (home / "sitecustomize.py").write_text(SHORT_LEASE)
    log = (home / "worker.log").open("wb")
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "antiphon", "--limit", "1"]
    command += ["--type", "process"]
    often = {**environment(url, home), "PREFECT_WORKER_QUERY_SECONDS": "1"}
    often["PYTHONPATH"] += os.pathsep + str(home)
    process = subprocess.Popen(command, env=often, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)  # no run is left that it could wait for
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


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
    """Deployments of prefect.yaml by name, with a worker that waits for runs.

    Those that are used here, and the one with a trigger; tests/flows/test_definition.py reads all of them.
    """
    home = tmp_path_factory.mktemp("worker")
    with worker(prefect_url, home):
        wait_until(lambda: bool(call(prefect_url, "/work_pools/filter", {})), 120)
        names = ("cascade", "compare", "new-data", "nightly-evaluation", "pipeline")
        prefect(prefect_url, home, "deploy", *(part for name in names for part in ("--name", name)))
        found = {one["name"]: one for one in call(prefect_url, "/deployments/filter", {})}
        _name_translator(prefect_url, found)
        yield found


def _name_translator(url: str, found: dict[str, Any]) -> None:
    """Name the small translator, as somebody with captions would: auto takes a large one for other texts."""
    model = {"model": "packaged:multi30k-en-de"}
    systems = [
        {**one, "parameters": {**one["parameters"], "mt": {**one["parameters"].get("mt", {}), **model}}}
        for one in found["compare"]["parameters"]["systems"]
    ]
    changes = {
        "cascade": {**found["cascade"]["parameters"], "mt": model},
        "compare": {**found["compare"]["parameters"], "systems": systems},
    }
    with PrefectHttpxSyncClient(base_url=url, enable_csrf_support=True, timeout=30) as client:
        for name, parameters in changes.items():
            body = {"parameters": parameters}
            client.patch(f"/deployments/{found[name]['id']}", json=body).raise_for_status()


@pytest.fixture
def data(tmp_path: Path) -> str:
    sentences = ["A dog runs on the beach.", "Two children play football.", "A man sleeps on a bench."]
    rows = [{"id": f"s{n}", "text": text, "references": [text]} for n, text in enumerate(sentences)]
    return write_rows(tmp_path / "data.jsonl", rows)


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
    result = tomllib.loads((ROOT / "prefect.toml").read_text("utf-8"))["server"]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["server"]["environment"]
    for room, name in (
        ("api", "CORS_ALLOWED_ORIGINS"),
        ("api", "CSRF_PROTECTION_ENABLED"),
        ("events", "EVENTS_RETENTION_PERIOD"),
        ("ui", "UI_SHOW_PROMOTIONAL_CONTENT"),
    ):
        ours = settings.DEFAULTS[f"PREFECT_SERVER_{name}"]
        assert compose[f"PREFECT_SERVER_{name}"] == ours
        value = result[room][name.removeprefix(f"{room.upper()}_").lower()]
        assert str(value).lower() == ours.lower()


def test_what_is_deployed(deployments: dict[str, Any]) -> None:
    cascade = deployments["cascade"]
    assert cascade["tags"] == ["antiphon"]
    assert [(s["slug"], s["active"]) for s in cascade["schedules"]] == [("nightly", False)]
    assert [(s["slug"], s["active"]) for s in deployments["nightly-evaluation"]["schedules"]] == [
        ("nightly", False)
    ]
    assert cascade["global_concurrency_limit"]["limit"] == 1
    assert cascade["concurrency_options"]["collision_strategy"] == "ENQUEUE"


@pytest.mark.usefixtures("server")
def test_a_graph_is_deployed_with_all_that_a_worker_elsewhere_needs(
    deployments: dict[str, Any],
    prefect_url: str,
    data: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.yaml").write_text(
        "nodes: {mt: {kind: translate, model: 'packaged:multi30k-en-de'}}\ntarget_language: de\n"
    )
    monkeypatch.chdir(tmp_path)

    def deploy(*more: str) -> Ended:
        return run_command(capsys, "deploy", "mine.yaml", "--store", "store", *more)

    code, out, errors = deploy("--data", "data.jsonl", "--cron", "0 2 * * *")
    assert code == 0, errors
    assert out.startswith("pipeline/mine: deployed")
    _, out, errors = deploy("--data", "tomorrow.jsonl", "--name", "to come")
    assert f"data: {tmp_path / 'tomorrow.jsonl'}: there is no such file yet" in errors
    assert "prefect deployment run 'pipeline/to come' starts it" in out
    code, _, errors = deploy("--set", "audio=recordings", "--name", "talks")
    assert code == 0, errors
    code, _, errors = run_command(capsys, "deploy", "cascade")
    assert code == 2 and errors.startswith("antiphon: expected a file with a pipeline, found cascade")
    for flags, message in (
        (("--cron", "nonsense"), "--cron: expected one such as '0 2 * * *', found 'nonsense'"),
        (("--name", "a/b"), "--name: "),
        (("--cron", "0 2 * * *", "--set", "name=tonight"), "--cron: expected no name of a run, or replace"),
    ):
        code, _, errors = deploy("--data", "data.jsonl", *flags)
        assert (code, errors.count("\n")) == (2, 1), errors
        assert message in errors
    deployed = {one["name"]: one for one in call(prefect_url, "/deployments/filter", {})}
    assert deployed["talks"]["parameters"]["audio"] == str(tmp_path / "recordings")
    found = deployed["mine"]
    assert [each["schedule"]["cron"] for each in found["schedules"]] == ["0 2 * * *"]
    assert found["parameters"] | {"graph": ""} == {
        "data": data,
        "folder": str(tmp_path),
        "graph": "",
        "store": str(tmp_path / "store"),
        "target_language": "de",
    }
    assert PipelineParameters.model_validate(found["parameters"]).graph_values["nodes"]["mt"]
    assert found["pull_steps"] == [
        {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    ]


def test_runs_that_may_wait_for_a_person_have_no_concurrency_limit() -> None:
    """Those of a graph that a user writes, or that a finished run had."""
    may_ask = {"pipeline", "compare", "tune", "blame", "improve", "contribution", "watch"}
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]:
        flow = deployment["entrypoint"].rpartition(":")[2]
        assert (flow in may_ask) == ("concurrency_limit" not in deployment), deployment["name"]


Page = Any
Browser = Callable[[str], Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with playwright.sync_playwright() as session:
        running = session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def browser(chromium: Any, prefect_url: str) -> Iterator[Browser]:
    """Opens an address of the UI in headless Chromium; those of V2 begin with ``/v2``.

    A page that stays open asks the server again and again, and draws what runs.
    """
    page = chromium.new_page(viewport={"width": 1400, "height": 1800}, reduced_motion="reduce")
    page.set_default_timeout(60_000)

    def go(path: str) -> Page:
        page.goto(prefect_url.removesuffix("/api") + path)
        return page

    yield go
    page.close()


def fill_in(page: Page, fields: dict[str, str]) -> str:
    """Fill in a deployment's form, fields by their descriptions, and press its button.

    Gives the id of the flow run.
    """
    for description, value in fields.items():
        below = f"//*[starts-with(normalize-space(text()), '{description}')]/following::"
        page.locator(f"xpath={below}*[self::input or self::textarea]").first.fill(value)
    assert page.get_by_text('Property is type "None"').count() == 0
    return submit(page, "/create_flow_run")["id"]


def submit(page: Page, path: str) -> dict[str, Any]:
    """Press a form's button; gives the answer of the request that it sends to an address with this end.

    The run's page, which comes next, would ask and draw all the time until the run has ended.
    """
    for _ in range(3):  # a busy server's SQLite refuses now and then: a person presses again
        with page.expect_response(lambda answer: answer.url.endswith(path)) as answered:
            page.get_by_role("button", name="Submit").click()
        if answered.value.ok:
            break
    assert answered.value.ok, answered.value.text()
    answer: dict[str, Any] = answered.value.json()
    page.goto("about:blank")
    return answer


def form_of(deployment: dict[str, Any]) -> str:
    return f"/deployments/deployment/{deployment['id']}/run"


@needs_chromium
def test_a_cascade_through_the_form_of_v2(
    prefect_url: str, deployments: dict[str, Any], data: str, tmp_path: Path, browser: Browser
) -> None:
    """The form is filled in, the run ends, and its page shows its name, its tasks and its artifacts."""
    store = tmp_path / "store"
    fields = {"manifest (JSONL": data, "folder or URL": str(store), "name of the run": "by-hand"}
    run = fill_in(browser("/v2" + form_of(deployments["cascade"])), fields)
    assert ended(prefect_url, run)["state_name"] == "Completed"
    record = json.loads((store / "runs" / "by-hand" / "run.json").read_text())
    assert record["status"] == "completed"
    assert {"bleu", "chrf", "ter"} == set(record["metrics"])
    expected = {"data", "asr", "mt", "metrics", "pools", "report"}
    assert tasks_of(prefect_url, run, expected) == expected
    result = artifacts(prefect_url, run)
    assert {"mt-examples", "summary", "lineage", "report", "plot-stage-seconds"} <= result.keys()
    assert result["plot-stage-seconds"]["data"].startswith("data:image/png;base64,")
    assert result["plot-stage-seconds"]["description"] == "Time per stage"

    page = browser(f"/v2/runs/flow-run/{run}")
    page.get_by_text("by-hand", exact=True).first.wait_for()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("lineage", exact=True).first.wait_for()
    page = browser(f"/v2/artifacts/artifact/{result['lineage']['id']}")
    page.get_by_text(f"data {record['stages'][0]['key'][:8]}").first.wait_for()
    width = page.wait_for_function("document.querySelector('table')?.getBoundingClientRect().width")
    assert width.json_value() < 1000  # nothing is cut


@needs_chromium
def test_a_comparison_through_the_form_of_v1(
    prefect_url: str, deployments: dict[str, Any], data: str, tmp_path: Path, browser: Browser
) -> None:
    store = tmp_path / "store"
    fields = {"data set of all systems": data, "folder or URL": str(store)}
    run = fill_in(browser(form_of(deployments["compare"])), fields)
    state = ended(prefect_url, run)
    assert (state["state_name"], state["name"]) == ("Completed", "compare data greedy beam-5"), state["state"]
    (folder,) = (path for path in (store / "runs").iterdir() if "." not in path.name)
    record = json.loads((folder / "run.json").read_text())
    assert {name.partition(".")[0] for name in record["metrics"]} == {"greedy", "beam-5"}
    result = artifacts(prefect_url, run)
    assert {"comparison", "plot-quality-cost", "plot-differences", "report"} <= result.keys()
    rows = json.loads(result["comparison"]["data"])
    bleu = {row["system"]: row["verdict"] for row in rows if row["metric"] == "BLEU"}
    assert bleu.keys() == {"greedy", "beam-5"}
    assert bleu["greedy"] == "baseline"
    assert (
        bleu["beam-5"].startswith(("no significant difference", "better", "worse"))
        or "too few to tell" in bleu["beam-5"]
    )

    page = browser(f"/runs/flow-run/{run}")
    page.get_by_text("compare data greedy beam-5", exact=True).first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("lineage", exact=True).first.wait_for()
    page.get_by_text("Task Runs", exact=True).first.click()
    page.get_by_text("beam-5--metrics", exact=True).first.wait_for()


@needs_chromium
def test_a_run_is_cancelled_inside_a_long_shard(
    prefect_url: str, deployments: dict[str, Any], data: str, tmp_path: Path, browser: Browser
) -> None:
    """The state is Cancelled and its process gone 10 s after the click, though the shard takes a minute."""
    nodes = {"slow": {"kind": "command", "of": "data", "format": "text", "run": ["sleep", "60"]}}
    values = {"graph": {"nodes": nodes}, "data": data, "store": str(tmp_path / "store"), "name": "long"}
    values |= {"source_language": "en", "target_language": "de"}
    path = f"/deployments/{deployments['pipeline']['id']}/create_flow_run"
    run = call(prefect_url, path, {"parameters": values})["id"]
    wait_until(lambda: bool(processes_of(run, "sleep")), 120)
    page = browser(f"/v2/runs/flow-run/{run}")
    processes = processes_of(run)
    page.get_by_role("button", name="Open menu").first.click()
    page.get_by_role("menuitem", name="Cancel").click()
    page.get_by_role("button", name="Cancel").last.click()
    clicked = time.monotonic()
    state = ended(prefect_url, run)
    wait_until(lambda: not processes & processes_of(run), 10)
    assert time.monotonic() - clicked < 10
    assert state["state_name"] == call(prefect_url, f"/flow_runs/{run}")["state_name"] == "Cancelled"
    record = json.loads((tmp_path / "store" / "runs" / "long" / "run.json").read_text())
    assert record["status"] == "cancelled"


def processes_of(run: str, program: str = "") -> set[int]:
    """Processes of a flow run, or those of one program."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            variables, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
            if f"FLOW_RUN_ID={run}".encode() in variables and program.encode() in command:
                found.add(int(folder.name))
    return found


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@needs_chromium
@pytest.mark.usefixtures("server")
def test_a_review_through_the_form(
    prefect_url: str, deployments: dict[str, Any], tmp_path: Path, browser: Browser
) -> None:
    """A run waits until a person has corrected a transcript in its page; the correction is translated.

    It outlasts a lease, and its record says meanwhile that it is paused, and what was computed.
    """
    nodes: dict[str, dict[str, Any]] = {
        "asr": {"kind": "recognize", "model": "packaged:whisper-tiny.en", "beam_size": 1, "n_best": 1},
        "checked": {"kind": "edit_by_reviewer", "of": "asr", "worst": 2},
        "mt": {"kind": "translate", "of": "checked", "model": "packaged:multi30k-en-de"},
    }
    store = str(tmp_path / "store")
    values = {"data": "sample", "limit": 3, "graph": {"nodes": nodes}, "store": store, "name": "reviewed"}
    values |= {"source_language": "en", "target_language": "de"}
    path = f"/deployments/{deployments['pipeline']['id']}/create_flow_run"
    run = call(prefect_url, path, {"parameters": values})["id"]
    assert ended(prefect_url, run, {"PAUSED"})["state_name"] == "Paused"
    page = browser(f"/runs/flow-run/{run}")
    time.sleep(4)  # a renewal that fails is tried three times
    assert call(prefect_url, f"/flow_runs/{run}")["state_name"] == "Paused"
    (listed,) = list_runs(Store(store))
    assert (listed.status, listed.record is not None) == ("paused", True)
    statuses = {node.name: node.status for node in Store(store).read_run("reviewed").pipeline.nodes}
    assert statuses == dict.fromkeys(("checked-answers", "checked", "mt"), "planned") | {"asr": "computed"}
    asked = answer_form(page, "A dog runs on the beach.", "Ann")
    assert ended(prefect_url, run)["state_name"] == "Completed"
    reviewed = load_run("reviewed", store=store)
    (folder,) = [Path(ref.path) for ref in reviewed.record.stages if ref.stage == "checked-answers"]
    corrected, approved = sorted(read_stored_corrections(folder), key=lambda each: each.id != asked)
    assert (corrected.id, corrected.text, corrected.by) == (asked, "A dog runs on the beach.", "Ann")
    assert approved.text == approved.before != ""
    translations = {row["id"]: row["text"] for row in reviewed.records("mt")}
    assert translations[asked] == "Ein Hund rennt am Strand."
    nodes["checked"]["unattended"] = "pass"
    languages = {"source_language": "en", "target_language": "de"}
    again = run_pipeline({"nodes": nodes}, data="sample", limit=3, store=store, **languages)
    reused = {ref.stage for ref in again.record.stages if ref.reused}
    assert {"asr", "checked-answers", "checked"} <= reused  # nobody is asked again


def answer_form(page: Page, text: str, name: str) -> str:
    """Correct the first text of a paused run's form; gives the utterance's id."""
    page.get_by_role("button", name="Resume").click(timeout=60_000)
    fields = page.locator("textarea")
    fields.nth(2).wait_for()
    asked = page.get_by_text("caption-").first.inner_text().split()[0]
    page.wait_for_function(
        "() => [...document.querySelectorAll('audio')].filter(a => a.duration > 1).length == 2"
    )
    fields.first.fill(text)
    fields.last.fill(name)
    submit(page, "/resume")
    return asked
