from __future__ import annotations

from pathlib import Path

import pytest
from views import cascade

from components.records import NBest, Outcome
from reports.view import RunView


def test_rows_are_scored_where_there_are_references(tmp_path: Path) -> None:
    view = cascade(tmp_path, 8)
    rows = list(view.rows())
    assert [row.utterance.id for row in rows] == [u.id for u in view.utterances]
    assert rows[1].quarantined is not None
    assert (rows[1].value("wer"), rows[1].score, rows[1].comparisons) == (None, None, {})
    assert rows[4].value("wer") == 0.0
    assert rows[5].value("wer") == pytest.approx(100 / 7)  # one word of seven substituted
    mt = rows[3].outcomes["mt"]
    assert isinstance(mt, NBest)
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

    class Watched(dict[str, Outcome]):
        def __getitem__(self, key: str) -> Outcome:
            asked.append(key)
            return super().__getitem__(key)

    watched = RunView(view.run, view.utterances, {s: Watched(o) for s, o in view.outcomes.items()})
    next(watched.rows())
    assert len(set(asked)) <= 50


def test_stage_rows(tmp_path: Path) -> None:
    rows = {row.stage: row for row in cascade(tmp_path, 10).stages()}
    assert list(rows) == ["data", "asr", "mt", "metrics"]
    assert rows["asr"].real_time_factor == pytest.approx(48.7 / 4.0)
    assert rows["mt"].real_time_factor is None
    assert rows["asr"].models == {"packaged:whisper-base": "c" * 64}
    assert rows["mt"].models == {"packaged:multi30k-en-de": None}
    assert rows["metrics"].models == {}
    assert rows["data"].reused


def test_shards_of_a_stage_are_one_row(tmp_path: Path) -> None:
    view = cascade(tmp_path, 10)
    twice = view.run.model_copy(update={"stages": (*view.run.stages, view.run.stages[1])})
    row = RunView(twice, view.utterances, view.outcomes).stages()[1]
    assert (row.items, row.quarantined, row.seconds) == (20, 2, pytest.approx(97.4))


def test_edges(tmp_path: Path) -> None:
    view = cascade(tmp_path, 3)
    assert view.edges() == [("data", "asr"), ("asr", "mt"), ("mt", "metrics"), ("asr", "metrics")]
    without = view.run.model_copy(update={"stages": tuple(s for s in view.run.stages if s.stage != "asr")})
    assert RunView(without, view.utterances, view.outcomes).edges() == [("data", "mt"), ("mt", "metrics")]
