from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from components.pipeline.reader import read_pipeline
from components.records import NBest, Route, Utterance
from components.run_record import StageRef
from tasks import artifacts
from tasks.execution.node_artifacts import publish_node
from tests.reports.example_runs import nbest
from tests.reports.page.test_report_view import stage

GRAPH = read_pipeline(
    {
        "nodes": {
            "asr_1": {"kind": "recognize"},
            "doubt": {"kind": "route", "of": "asr_1", "by": "length", "above": 3},
            "mt": {"kind": "translate", "of": "asr_1", "when": "doubt.keep"},
            "fr": {"kind": "translate", "of": "asr_1", "to": "fr"},
        }
    }
)
DATA = Utterance(
    id="u",
    text="a dog",
    source_language="en",
    target_language="de",
    transcript="A dog.",
    references=("Ein Hund.",),
)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for kind, value in (("table", "table"), ("markdown", "markdown")):

        def create(*, key: str, description: str, _value: str = value, **values: Any) -> None:
            assert re.fullmatch(r"[a-z0-9-]+", key)  # as Prefect takes it
            result[key] = values[_value]

        monkeypatch.setattr(artifacts, f"create_{kind}_artifact", create)
    return result


def of(folder: Path, name: str, *records: NBest | Route | Utterance) -> StageRef:
    lines = "".join(one.model_dump_json() + "\n" for one in records)
    ref = stage(folder, name, lines)
    (Path(ref.path) / "errors.jsonl").touch()
    return ref.model_copy(update={"items": len(records)})


def test_examples_show_source_output_and_reference_in_their_language(
    tmp_path: Path, published: dict[str, Any]
) -> None:
    data = of(tmp_path, "data", Utterance(id="other", text="x", source_language="en"), DATA)
    asr = of(tmp_path, "asr_1", nbest("u", ["a [dog]"], "s"))
    publish_node(GRAPH, GRAPH.nodes["asr_1"], asr, {"data": data}, None)
    publish_node(GRAPH, GRAPH.nodes["mt"], of(tmp_path, "mt", nbest("u", ["Hund"], "s")), {"data": data}, asr)
    publish_node(
        GRAPH, GRAPH.nodes["fr"], of(tmp_path, "fr", nbest("u", ["chien"], "s")), {"data": data}, asr
    )
    shown = {
        key: tuple(row[name] for name in ("source", "output", "reference"))
        for key, (row,) in published.items()
        if key.endswith("examples")
    }
    assert shown == {
        "asr-1-examples": ("a dog", "a \\[dog\\]", "A dog."),
        "mt-examples": ("a \\[dog\\]", "Hund", "Ein Hund."),
        "fr-examples": ("a \\[dog\\]", "chien", ""),
    }


def test_a_route_shows_how_many_went_each_way(tmp_path: Path, published: dict[str, Any]) -> None:
    routes = [Route(utterance_id=f"u{n}", way="keep" if n else "escalate") for n in range(3)]
    publish_node(
        GRAPH, GRAPH.nodes["doubt"], of(tmp_path, "doubt", *routes), {"data": stage(tmp_path, "data")}, None
    )
    assert published["doubt-ways"] == [
        {"way": "escalate", "utterances": 1},
        {"way": "keep", "utterances": 2},
    ]


def test_a_report_is_a_file_that_a_browser_saves_while_it_is_small(
    tmp_path: Path, published: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "mine" / "report.html"
    (tmp_path / "mine" / "report-data").mkdir(parents=True)
    page.write_text("<html>")
    (tmp_path / "mine" / "report-data" / "index.js").write_text("[]")
    artifacts.publish_report(page, "store")
    result = re.search(r"\(data:application/zip;base64,([A-Za-z0-9+/=]+)\)", published["report"])
    assert result is not None
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(result[1]))) as archive:
        assert archive.namelist() == ["report.html", "report-data/index.js"]
    monkeypatch.setattr(artifacts, "_MAX_REPORT_BYTES", 100)
    artifacts.publish_report(page, "store")
    assert "data:" not in published["report"]
    assert "antiphon report mine --store store" in published["report"]
