from __future__ import annotations

from pathlib import Path

import pytest

from components.records import Decision, NBest
from reports.views.run_view import RunView
from reports.views.steps import Step, steps_of
from tests.reports.example_runs import HOSTILE, nbest, node, routed


def steps(folder: Path, number: int) -> dict[str, Step]:
    view = routed(folder)
    return {step.node.name: step for step in steps_of(view, list(view.rows())[number])}


def test_the_way_of_an_utterance_names_what_each_node_gave(tmp_path: Path) -> None:
    branch = steps(tmp_path, 0)
    assert list(branch) == ["fast", "doubt", "good", "heard", "de", "again", "de-1", "de-2"]
    assert (branch["doubt"].result, branch["doubt"].note) == ("way", "escalate (-0)")
    assert (branch["heard"].near, branch["heard"].edits) == ("good", ())
    assert branch["de"].near is None  # another language
    assert (branch["good"].near, [edit.hypothesis for edit in branch["good"].edits]) == (
        "fast",
        ["two", "dogs", "ran", "home"],
    )
    assert [edit.operation for edit in branch["de-1"].edits] == ["equal", "insert", "equal", "equal"]
    assert branch["de-1"].note == f"accepted; stopped: maximum; the critic: {HOSTILE}"
    assert (branch["again"].result, branch["again"].note) == ("none", "the node failed")
    assert (branch["de-2"].result, branch["de-2"].note) == ("none", "skipped: nothing to do")


def test_where_it_ended_and_why_it_was_not_sent_are_told(tmp_path: Path) -> None:
    branch = steps(tmp_path, 1)
    assert (branch["good"].result, branch["good"].note) == ("quarantined", f"too long: {HOSTILE}")
    assert branch["heard"].near == "fast"
    branch = steps(tmp_path, 2)
    assert (branch["good"].result, branch["good"].note) == ("none", "not sent here: doubt said keep")


@pytest.mark.parametrize(
    ("decision", "note"),
    [
        (Decision(round=1, accepted=True), ": loop-1 said going"),
        (Decision(round=1, accepted=True, stopped="maximum"), None),
        (None, " by loop-1"),
    ],
)
def test_an_utterance_that_went_on_with_a_loop_was_not_sent_behind_it(
    tmp_path: Path, decision: Decision | None, note: str | None
) -> None:
    view = routed(tmp_path)
    first = view.utterances[0]
    best = nbest(first.id, ["two dogs"], "loop").best.model_copy(update={"decision": decision})
    nodes = (
        node("loop-1", "loop_round", "fast", language="source"),
        node("after", "refine", "loop-1", language="source", when="loop-1.stopped"),
    )
    graph = view.run.pipeline.model_copy(update={"nodes": nodes})
    outcomes = {"loop-1": {first.id: NBest(utterance_id=first.id, hypotheses=(best,))}, "after": {}}
    changed = RunView(view.run.model_copy(update={"pipeline": graph}), [first], outcomes)
    notes = {step.node.name: step.note for step in steps_of(changed, next(iter(changed.rows())))}
    assert notes.get("after") == (None if note is None else f"not sent here{note}")
