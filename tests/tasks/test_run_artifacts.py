"""What the UI shows of a run: scores, which stage was made of which, and how the report is opened."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path

import pytest

from components.run_record import RunRecord, StageRef
from components.storage.stages.stage_plan import StagePlan, content_of
from components.storage.store import Store
from tasks import run_artifacts
from tests.components.storage.written import written
from tests.reports.example_runs import cascade


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    result: dict[str, str] = {}

    def create(*, key: str, markdown: str, description: str) -> None:
        result[key] = markdown

    monkeypatch.setattr(run_artifacts, "create_markdown_artifact", create)
    return result


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    """A cascade whose data stage was there before."""
    record = cascade(tmp_path, audio=False).run
    models = {"asr": {"model": "packaged:whisper-base"}, "mt": {"model": "a|b", "tokenizer": "a|b"}}
    stages: list[StageRef] = []
    for ref in record.stages:
        upstream = {each.stage: content_of(each) for each in stages} if ref.stage == "metrics" else {}
        plan = StagePlan(stage=ref.stage, version="1", models=models.get(ref.stage, {}), upstream=upstream)
        done = written(Store(str(tmp_path)), plan)
        stages.append(ref.model_copy(update={"path": done.path, "key": done.key, "kind": ref.stage}))
    return record.model_copy(update={"stages": tuple(stages), "notes": ("a <note>",)})


def rows_of(markdown: str) -> list[list[str]]:
    """The cells of every row of every table."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_lineage_says_which_stage_was_made_of_which_and_by_what(
    run: RunRecord, published: dict[str, str]
) -> None:
    run_artifacts.publish_lineage(run)
    keys = {ref.stage: ref.key[:8] for ref in run.stages}
    assert rows_of(published["lineage"]) == [
        ["stage", "made of", "by", "state", "key"],
        ["data", "", "", "reused", keys["data"]],
        ["asr", f"data {keys['data']}", "packaged:whisper-base", "computed", keys["asr"]],
        ["mt", f"asr {keys['asr']}", "a\\|b", "computed", keys["mt"]],
        [
            "metrics",
            ", ".join(f"{n} {keys[n]}" for n in ("data", "asr", "mt")),
            "",
            "computed",
            keys["metrics"],
        ],
    ]


def test_lineage_goes_past_what_had_nothing_to_do(run: RunRecord, published: dict[str, str]) -> None:
    """Of written data nothing is recognized."""
    data, _, mt, metrics = run.stages
    run_artifacts.publish_lineage(run.model_copy(update={"stages": (data, mt, metrics)}))
    assert [row[1] for row in rows_of(published["lineage"])[2:]] == [
        f"data {data.key[:8]}",
        f"data {data.key[:8]}, mt {mt.key[:8]}",
    ]


def test_a_summary_has_every_score_its_protocol_and_what_each_stage_took(
    run: RunRecord, published: dict[str, str]
) -> None:
    run_artifacts.publish_summary(run)
    rows = rows_of(published["summary"])
    assert ["wer", "6.40", "4.10 to 8.80", "11 of 12"] in rows
    assert ["data", "12", "0", "0.0", "858 MiB", "reused"] in rows
    assert "- wer: wer, nrefs:1, bs:1000, seed:12345, case:mixed, tok:13a" in published["summary"]
    assert "- a \\<note\\>" in published["summary"]
    run_artifacts.publish_summary(run.model_copy(update={"metrics": {}}))
    assert "metric" not in published["summary"].replace("| metrics |", "")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A report with its data beside it."""
    (tmp_path / "mine" / "report-data").mkdir(parents=True)
    (tmp_path / "mine" / "report-data" / "index.js").write_text("[]")
    (tmp_path / "mine" / "report.html").write_text("<html>")
    return tmp_path / "mine" / "report.html"


def test_a_report_is_a_file_that_a_browser_saves_while_it_is_small(
    page: Path, published: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_artifacts.publish_report(page, "store")
    result = re.search(r"\(data:application/zip;base64,([A-Za-z0-9+/=]+)\)", published["report"])
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(result[1]))) as archive:
        assert archive.namelist() == ["report.html", "report-data/index.js"]
    monkeypatch.setattr(run_artifacts, "_MAX_REPORT_BYTES", 100)
    run_artifacts.publish_report(page, "store")
    assert "data:" not in published["report"]
    assert "antiphon report mine --store store" in published["report"]
    monkeypatch.setattr(run_artifacts, "_MAX_REPORT_BYTES", 0)  # not even packed
    run_artifacts.publish_report(page, "store")
    assert "data:" not in published["report"]


def test_a_report_is_linked_where_a_web_server_shows_the_store(
    page: Path, published: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_artifacts.publish_report(page, "store")
    assert "Open the report" not in published["report"]
    monkeypatch.setenv("ANTIPHON_REPORTS_URL", "http://127.0.0.1:8090/")
    run_artifacts.publish_report(page, "store")
    assert "[Open the report](http://127.0.0.1:8090/mine/report.html)" in published["report"]
