"""What `antiphon plan` prints, and that nothing is computed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.pipeline.advice.forecast import RunForecast
from flows.cli.compute.plan import _describe_forecast
from tests.command import run_command

GRAPH = """
data: sample
limit: 2
nodes:
  en: {kind: oracle, of: data}
  other: {kind: oracle, of: en}
"""


def planned(folder: Path, text: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Standard output of the plan of a pipeline."""
    (folder / "graph.yaml").write_text(text, encoding="utf-8")
    ended = run_command(capsys, "plan", str(folder / "graph.yaml"), "--store", str(folder / "store"), *more)
    assert not ended.code
    return ended.out


def test_a_row_per_node_and_what_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in planned(tmp_path, GRAPH, capsys).splitlines()]
    assert ["en", "oracle", "data", "run"] in rows
    assert ["scored:", "transcript", "other"] in rows
    part = planned(tmp_path, GRAPH, capsys, "--until", "en")
    assert "other" not in part


def test_each_system_of_a_matrix_is_a_line_of_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matrix = GRAPH + "matrix: {other.only_changed: [false, true]}\n"
    systems = [json.loads(line) for line in planned(tmp_path, matrix, capsys, "--json").splitlines()]
    assert [one["system"] for one in systems] == ["only_changed-False", "only_changed-True"]
    keys = [one["forecast"]["en"]["key"] for one in systems]
    assert keys[0] == keys[1]
    assert all(one["forecast"]["other"]["status"] == "run" for one in systems)
    assert not (tmp_path / "store" / "stages").exists()  # no data were read


def test_nothing_is_said_to_be_scored_where_a_model_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run_command(
        capsys, "plan", "train", "--set", "data=sample", "--set", "dev=sample", "--store", str(tmp_path)
    )
    assert not ended.code
    out = ended.out
    assert "training" in out
    assert "scored" not in out


def test_a_distillation_is_planned_whose_teacher_draws_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = {"text": "a dog", "source_language": "en", "references": {"de": ["ein Hund"]}}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair))
    data = [f"student.{name}={tmp_path / 'pairs.jsonl'}" for name in ("data", "dev")]
    settings = [*data, "teacher.model=packaged:multi30k-en-de", "teacher.sampling.count=4"]
    more = [part for setting in settings for part in ("--set", setting)]
    ended = run_command(capsys, "plan", "distill", *more, "--store", str(tmp_path))
    assert not ended.code
    assert "training" in ended.out


def test_a_graph_with_a_second_data_set_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = "  more: {kind: data, source: sample, limit: 1}\n  third: {kind: oracle, of: more}\n"
    drawn = planned(tmp_path, GRAPH + nodes, capsys, "--mermaid")
    assert drawn.startswith("flowchart LR\n")
    assert "other" in drawn
    assert "run" in drawn
    assert not (tmp_path / "store" / "stages").exists()  # no data were read


def test_metrics_and_their_licences_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = "cometkiwi:hub:Unbabel/wmt22-cometkiwi-da"
    monkeypatch.setattr("components.models.check", lambda *_, **__: None)
    admitted = []
    monkeypatch.setattr("components.metrics.table.bind_metric", lambda *of: admitted.append(of))
    text = planned(tmp_path, GRAPH, capsys, "--set", f"model_metrics=[{metric}]")
    assert f"metric: {metric}\n" in text
    assert "licence: hub:Unbabel/wmt22-cometkiwi-da: CC BY-NC-SA 4.0" in " ".join(text.split())
    assert admitted == [(metric, str(tmp_path / "store"))]


def test_what_is_there_is_not_computed_again() -> None:
    def described(status: str, **more: object) -> str:
        return _describe_forecast(
            RunForecast.model_validate(
                {"node": "mt", "kind": "translate", "key": "0", "status": status, **more}
            )
        )

    assert described("reused") == "reused"
    assert (
        described("resumed", shards_done=2, shards=5, seconds=(90.0, 120.0))
        == "resumed at shard 2 of 5, 1 min 30 s to 2 min 00 s by what ran here"
    )
    assert described("resumed", shards_done=5, shards=5) == "resumed: all shards are computed"
    assert described("run") == "run"
