from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.records import NodeOutcome
from components.run_record import PipelineRecord
from reports.views.run_view import RunView
from tests.reports.example_runs import cascade, routed


def test_rows_are_scored_where_there_are_references(tmp_path: Path) -> None:
    view = cascade(tmp_path, 8)
    rows = list(view.rows())
    assert [row.utterance.id for row in rows] == [u.id for u in view.utterances]
    assert rows[1].quarantined is not None
    assert (rows[1].value("wer"), rows[1].score, rows[1].alignments) == (None, None, {})
    assert rows[4].value("wer") == 0.0
    assert rows[5].value("wer") == pytest.approx(100 / 7)  # one word of seven substituted
    mt = rows[3].outcomes["mt"]
    assert rows[3].score == mt.best.score


def test_a_page_is_the_same_as_its_part_of_the_whole(tmp_path: Path) -> None:
    view = cascade(tmp_path, 120)
    whole = list(view.rows())
    assert list(view.rows(50, 100)) == whole[50:100]
    assert list(view.rows(100, 900)) == whole[100:]
    assert view.row("caption-0077") == whole[77]
    assert view.row("nobody") is None


def test_only_one_page_of_outcomes_is_asked_for_at_a_time(tmp_path: Path) -> None:
    view = cascade(tmp_path, 120)
    asked: list[str] = []

    class Watched(dict[str, NodeOutcome]):
        def __getitem__(self, key: str) -> NodeOutcome:
            asked.append(key)
            return super().__getitem__(key)

    watched = RunView(view.run, view.utterances, {s: Watched(o) for s, o in view.outcomes.items()})
    next(watched.rows())
    assert len(set(asked)) <= 50


def test_stage_rows(tmp_path: Path) -> None:
    view = cascade(tmp_path, 10)
    rows = {row.stage: row for row in view.stages()}
    assert list(rows) == ["data", "asr", "mt", "metrics"]
    assert rows["asr"].rtfx == pytest.approx(4.0 / 48.7)
    assert rows["mt"].rtfx is None
    assert rows["asr"].models == {"packaged:whisper-base": "c" * 64}
    assert rows["mt"].models == {"packaged:multi30k-en-de": None}
    assert rows["metrics"].models == {}
    assert rows["data"].status == "reused"
    assert [row.kind for row in rows.values()] == ["data", "recognize", "translate", "metrics"]
    asr, mt = view.run.pipeline.nodes
    graph = view.run.pipeline.model_copy(update={"nodes": (asr.model_copy(update={"kind": "texts"}), mt)})
    imported = replace(view, run=view.run.model_copy(update={"pipeline": graph}))
    assert {row.stage: row.rtfx for row in imported.stages()}["asr"] is None  # another system's


def test_behind_a_route_the_speed_is_that_of_what_the_node_computed(tmp_path: Path) -> None:
    view = routed(tmp_path)
    rows = {row.stage: row for row in view.stages()}
    seconds = {u.id: u.audio.seconds for u in view.utterances if u.audio}
    assert rows["fast"].rtfx == pytest.approx(sum(seconds.values()))  # in one second
    assert rows["good"].rtfx == pytest.approx(sum(seconds[key] for key in view.outcomes["good"]))
    assert len(view.outcomes["good"]) == 2 < len(seconds)


def test_nodes_without_a_stage_have_a_row_that_says_why(tmp_path: Path) -> None:
    rows = {row.stage: row for row in routed(tmp_path).stages()}
    assert (rows["de-2"].status, rows["de-2"].has_stage) == ("skipped", False)
    assert (rows["again"].kind, rows["again"].status) == ("translate", "failed")


def test_a_node_is_compared_with_references_of_its_language_only(tmp_path: Path) -> None:
    view = cascade(tmp_path, 6)
    nodes = {"asr": "source", "mt": "fr"}
    graph = PipelineRecord(
        nodes=tuple(
            node.model_copy(update={"language": nodes[node.name]}) for node in view.run.pipeline.nodes
        )
    )
    run = view.run.model_copy(update={"pipeline": graph})
    row = next(iter(RunView(run, view.utterances, view.outcomes).rows(3)))
    assert set(row.alignments) == {"asr"}
