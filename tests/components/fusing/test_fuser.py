"""Fusing with writers that answer from a table: what a gate lets through, and what it never does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from sacrebleu.metrics.chrf import CHRF

from components.compute.progress import listen
from components.fusing import fuser
from components.fusing.config import FuseConfig
from components.fusing.fuser import Fuser, Lists, consensus_of
from components.fusing.prompted import Answer, Question
from components.records import NBest, Utterance
from tests.components.nodes.items import nbest

WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog", "ran", "far"]


def truth_of(number: int) -> str:
    """The reference of an utterance."""
    return " ".join(random.Random(number).choices(WORDS, k=6))


class Oracle:
    """A writer that answers what it was told to."""

    checkpoint = SimpleNamespace(reference="oracle")

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers, self.questions = list(answers), list[Question]()

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.questions += questions
        return [Answer(self.answers.pop(0), -1.0, 3) for _ in questions]


def fuse(
    monkeypatch: pytest.MonkeyPatch, answers: Sequence[str], lists: Sequence[list[NBest]], **settings: Any
) -> list[NBest]:
    writer = Oracle(answers)
    monkeypatch.setitem(fuser.METHODS, "prompted", lambda config, store: writer)
    items = [
        Lists(
            Utterance(
                id=f"u{n}", text="x", source_language="en", target_language="en", transcript=truth_of(n)
            ),
            row,
        )
        for n, row in enumerate(lists)
    ]
    return Fuser(FuseConfig.model_validate(settings), transcripts=True).fuse(items)


def test_a_new_text_that_the_others_support_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [nbest("u0", "the cat sad on the mat", "the cats sat"), nbest("u0", "the cat sat on the mat")]
    (fused,) = fuse(monkeypatch, ["the cat sat on the mat"], [lists])
    assert [h.text for h in fused.hypotheses] == [
        "the cat sat on the mat",
        "the cat sad on the mat",
        "the cats sat",
    ]
    best = fused.best
    assert best.system == "oracle"
    assert best.decision is not None and best.decision.accepted
    assert best.features["fused"] == 1
    assert best.features["gate_proposed"] > best.features["gate_before"]
    assert best.features["edit_distance"] == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("1. the cat", "numbers"),
        ("Sure! It is number two.", "differ"),
        ("the cat sad on the fat", "gate consensus does not rise"),
        ("the cat sad on the mat", "nothing to change"),
    ],
)
def test_otherwise_the_first_candidate_stays_and_says_why(
    monkeypatch: pytest.MonkeyPatch, answer: str, reason: str
) -> None:
    lists = [nbest("u0", "the cat sad on the mat"), nbest("u0", "the cat sat on the mat")]
    (kept,) = fuse(monkeypatch, [answer], [lists])
    assert kept.best.text == "the cat sad on the mat"
    assert kept.best.score == -1.0
    assert kept.best.features["fused"] == 0
    assert reason in kept.best.decision.feedback
    proposed = [] if reason in ("empty", "nothing to change") else [answer]
    assert [h.text for h in kept.hypotheses[1:]] == proposed


def test_silence_stays_silence_and_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = fuse(monkeypatch, [], [[nbest("u0", ""), nbest("u0", "thank you")]], gate="off")
    assert kept.best.text == ""


@pytest.mark.parametrize("gate", ["consensus", "reference_chrf"])
def test_under_its_gate_no_text_is_below_the_first_candidate(
    monkeypatch: pytest.MonkeyPatch, gate: str
) -> None:
    """The law of a gate, by its own measure, on answers of every sort."""
    rng, chrf, changed = random.Random(0), CHRF(), 0
    rows = []
    for number in range(60):
        texts = [truth_of(number).split() for _ in range(4)]
        for text in texts:
            text[rng.randrange(6)] = rng.choice(WORDS)
        rows.append(
            [nbest(f"u{number}", *map(" ".join, texts[:2])), nbest(f"u{number}", *map(" ".join, texts[2:]))]
        )
    answers = [rng.choice([truth_of(n), rows[n][1].best.text, "no", ""]) for n in range(60)]
    shares: list[float] = []
    with listen(shares.append):
        outcomes = fuse(monkeypatch, answers, rows, gate=gate, max_edit=None, batch_size=30)
    assert shares == [0.5, 1.0]
    for number, fused in enumerate(outcomes):
        first = rows[number][0].best.text
        if gate == "reference_chrf":
            before, after = (
                chrf.sentence_score(t, [truth_of(number)]).score for t in (first, fused.best.text)
            )
        else:
            others = list(dict.fromkeys(h.text for row in rows[number] for h in row.hypotheses))
            candidates = [first, *(text for text in others if text != first)]
            estimates = consensus_of(candidates, fused.best.text)
            assert estimates.before is not None and estimates.proposed is not None
            before, after = estimates[:2]
        assert after >= before
        changed += fused.best.text != first
    assert changed > 5


def test_a_single_candidate_is_never_changed_by_consensus(monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = fuse(monkeypatch, ["the cat sat"], [[nbest("u0", "the cat sad")]])
    assert kept.best.text == "the cat sad"
