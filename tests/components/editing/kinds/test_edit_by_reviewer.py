"""Reviews: which texts are asked for, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from components.editing.correction import Correction, read_stored_corrections
from components.editing.kinds.edit_by_reviewer import ReviewAnswers, ReviewAnswersSettings
from components.errors import ConfigError
from components.nodes.node_context import Item, NodeContext
from components.nodes.questions import Answers, Question
from components.records import Hypothesis, NBest
from tests.components.nodes.items import item
from tests.components.pipeline.test_planning import REF
from tests.graph_text import parse_pipeline

GRAPH = "nodes: {asr: {kind: recognize}, checked: {kind: edit_by_reviewer, of: asr"
SCORES = {"u0": -0.4, "u1": -4.0, "u2": -2.0, "u3": -8.0}


def read() -> list[Item]:
    """Of a word each; confidences 0.67, 0.02, 0.14 and 0.0003."""
    hypotheses = {
        key: Hypothesis(text=f"text {key}", score=s, n_tokens=1, system="asr") for key, s in SCORES.items()
    }
    return [item(key, asr=NBest(utterance_id=key, hypotheses=(each,))) for key, each in hypotheses.items()]


def answer(folder: Path, texts: dict[str, str], **settings: Any) -> tuple[list[Question], list[Correction]]:
    """The questions of a node, and what it stored of the answers."""
    asked: list[Question] = []

    def ask(node: str, questions: Sequence[Question], hours: float) -> Answers:
        assert (node, hours) == ("checked", 24.0)
        asked.extend(questions)
        return Answers(texts, by="ann", at="2026-01-02T03:04:05Z", through="a form")

    values = ReviewAnswersSettings.model_validate(settings)
    context = NodeContext(name="checked-answers", of=("asr",), ask=ask)
    product = ReviewAnswers().collect(values, context, iter(read()), folder)
    corrections = read_stored_corrections(folder)
    assert product.items == len(corrections) == len(asked)
    return asked, corrections


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"worst": 2}, ["u3", "u1"]),
        ({"below": 0.5}, ["u3", "u1", "u2"]),
        ({"below": 0.5, "max": 1}, ["u3"]),
        ({"below": 0.0001}, []),
        ({"worst": 2, "passed": True}, []),
    ],
)
def test_the_least_sure_are_asked_for(tmp_path: Path, settings: dict[str, Any], expected: list[str]) -> None:
    asked, _ = answer(tmp_path, {}, **settings)
    assert [each.utterance_id for each in asked] == expected


def test_answers_are_corrections_and_approvals(tmp_path: Path) -> None:
    asked, (corrected, approved) = answer(tmp_path, {"u3": "by hand", "u1": "text u1"}, worst=2)
    assert (asked[0].text, asked[0].source, round(asked[1].confidence, 3)) == ("text u3", "x.wav", 0.018)
    assert (corrected.id, corrected.before, corrected.text, corrected.by) == (
        "u3",
        "text u3",
        "by hand",
        "ann",
    )
    assert (approved.id, approved.before, approved.text) == ("u1", "text u1", "text u1")


def test_a_review_that_asks_nobody_says_so(tmp_path: Path) -> None:
    answer(tmp_path, {}, below=0.0001)
    ref = REF.model_copy(update={"stage": "checked-answers", "path": str(tmp_path)})
    settings = ReviewAnswersSettings.model_validate({"below": 0.0001})
    assert ReviewAnswers().notes(settings, NodeContext(name="checked-answers"), ref, None) == [
        "checked-answers: no text was doubtful enough to ask"
    ]


def test_what_nobody_has_recognized_is_not_asked_for(tmp_path: Path) -> None:
    asked: list[Question] = []

    def ask(node: str, questions: Sequence[Question], hours: float) -> Answers:
        asked.extend(questions)
        return Answers({}, by="ann", at="2026-01-02T03:04:05Z", through="a form")

    settings = ReviewAnswersSettings.model_validate({"worst": 9})
    context = NodeContext(name="checked-answers", of=("asr",), ask=ask)
    ReviewAnswers().collect(settings, context, iter([item("speech"), *read()]), tmp_path)
    assert [each.utterance_id for each in asked] == ["u3", "u1", "u2", "u0"]


def test_a_review_is_a_node_that_asks_and_one_that_edits() -> None:
    graph = parse_pipeline(
        "nodes: {asr: {kind: recognize}, checked: {kind: edit_by_reviewer, of: asr, below: 0.4, max: 3}}"
    )
    assert {node.name: node.kind.name for node in graph} == {
        "asr": "recognize",
        "checked-answers": "review_answers",
        "checked": "edit_from_file",
    }
    assert graph.outputs == {"transcript": "checked"}
    with pytest.raises(ConfigError, match=r"checked.*expected below \(a confidence\), worst"):
        parse_pipeline(f"{GRAPH}}}}}")


def test_a_review_without_anybody_refuses(tmp_path: Path) -> None:
    settings = ReviewAnswersSettings.model_validate({"worst": 1})
    with pytest.raises(ConfigError, match="expected somebody to ask, found none"):
        ReviewAnswers().collect(
            settings, NodeContext(name="checked-answers", of=("asr",)), iter(read()), tmp_path
        )
