"""What `antiphon plan` prints, and that nothing is computed for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.cli.main import main

GRAPH = """
data: sample
limit: 2
nodes:
  en: {kind: gold, of: data}
  other: {kind: gold, of: en}
"""


def planned(folder: Path, text: str, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Standard output of the plan of a pipeline."""
    (folder / "graph.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as ending:
        main(["plan", str(folder / "graph.yaml"), "--store", str(folder / "store"), *more])
    assert not ending.value.code
    return capsys.readouterr().out


def test_a_row_per_node_and_what_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in planned(tmp_path, GRAPH, capsys).splitlines()]
    assert ["en", "gold", "data", "run"] in rows
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
    assert len(list((tmp_path / "store" / "stages").iterdir())) == 1  # the data set


def test_nothing_is_said_to_be_scored_where_a_model_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["plan", "train", "--set", "data=sample", "--set", "dev=sample", "--store", str(tmp_path)])
    assert not ending.value.code
    out = capsys.readouterr().out
    assert "training" in out
    assert "scored" not in out
