from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.nodes.kind import KINDS
from components.pipeline.reading.reader import read_pipeline
from components.records import Decision, Hypothesis, NBest, Utterance
from components.refining.finished_rounds import find_requests, find_rounds
from components.refining.round_scores import ROUNDS
from components.run_record import StageRef
from components.storage.store import Store
from tests.components.storage.written import written
from tests.reports.page.test_report_view import stage
from tests.tasks.kinds import FAKES


def test_the_rounds_begin_with_the_draft_and_end_where_nothing_was_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "shout", FAKES["shout"])
    mt = {"kind": "shout", "calls": "none", "of": "data"}
    refine = {"kind": "refine", "of": "mt", "method": "self_refine", "rounds": 3}
    pipeline = read_pipeline({"nodes": {"mt": mt, "refine": refine}})
    stages = {name: stage(tmp_path, name) for name in ("mt", "refine-1", "refine-2")}
    assert [ref.stage for ref in find_rounds(pipeline, stages, "refine")] == ["mt", "refine-1", "refine-2"]
    del stages["mt"]
    assert find_rounds(pipeline, stages, "refine") == ()


def test_rounds_of_any_graph_are_scored_and_who_has_left_a_loop_keeps_the_text(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    body = {"new": {"kind": "refine", "of": "better", "rounds": 1}}
    loop: dict[str, Any] = {"kind": "loop", "of": "mt", "rounds": 3, "reported": "ter", "body": body}
    refine = {"kind": "refine", "of": "better", "rounds": 1, "when": "way.fold-1", "reported": "ter"}
    pipeline = read_pipeline(
        {
            "target_language": "de",
            "nodes": {
                "mt": {"kind": "translate"},
                "better": loop,
                "way": {"kind": "route", "by": "fold", "folds": 2},
                "last": refine,
            },
        }
    )

    def texts(name: str, **by_id: str) -> StageRef:
        number = int(name[-1]) if name[-1].isdigit() else 1  # a draft was refined before
        lists = [
            NBest(
                utterance_id=key,
                hypotheses=[Hypothesis(text=text, score=0.0, n_tokens=1, system="x", decision=decision)],
            )
            for key, text in by_id.items()
            for stopped in ["no_change" if (name, key) == ("better-1", "a") else None]
            for decision in [Decision(round=number, accepted=True, stopped=stopped)]
        ]
        return written(store, name, lists)

    data = [Utterance(id=i, text="A", references=("Ein Hund rennt",), source_language="en") for i in "abc"]
    stages = {
        ref.stage: ref
        for ref in (
            written(store, "data", data),
            texts("mt", a="Hund rennt", b="Katze", c="Ein Hund rennt"),
            texts("better-1", a="Ein Hund rennt", b="Hund"),  # the body failed for c
            texts("better-2", b="Ein Hund rennt"),  # a has left
            texts("better", a="Ein Hund rennt", b="Katze", c="Ein Hund rennt"),
            texts("last-1", a="Ein"),  # b went the other way
        )
    }
    findings = ROUNDS.compute(find_requests(pipeline, stages, "whisper"), store, tmp_path).findings
    assert {name: round(score.value) for name, score in ROUNDS.scores(findings).items()} == {
        **{
            "better_ter_round_0": 44,
            "better_ter_round_1": 22,
            "better_ter_round_2": 0,
            "better_harm_rate": 0,
        },
        **{"ter_round_0": 0, "ter_round_1": 67, "harm_rate": 100},
    }
    assert [[row["stage"] for row in each.rounds] for each in findings.nodes] == [
        ["mt", "better-1", "better-2"],
        ["better", "last-1"],
    ]
    assert [[row["accepted"] for row in each.rounds] for each in findings.nodes] == [
        ["0", "2", "1"],
        ["0", "1"],
    ]
    ended = ["", "no_change 1, no text 1", "no_change 1, no text 1"]
    assert [row["ended"] for row in findings.nodes[0].rounds] == ended
    assert [table.title for table in ROUNDS.tables(findings)][::2] == ["Rounds (better)", "Rounds"]
    (request,) = find_requests(pipeline, stages, "whisper")[1:]
    same = request._replace(rounds=(stages["better"], texts("same-1", a="Ein Hund rennt", b="Katze")))
    unchanged = ROUNDS.compute([same], store, tmp_path).findings
    assert [*ROUNDS.scores(unchanged)] == ["ter_round_0", "ter_round_1"]
    assert [table.title for table in ROUNDS.tables(unchanged)] == ["Rounds"]
