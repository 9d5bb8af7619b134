"""Questions to a person about doubtful texts, and the answers."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.editing.correction import Correction


@dataclass(frozen=True)
class Question:
    """A text that a person is to approve or to correct.

    Attributes:
        utterance_id: of the utterance.
        text: as it is now.
        confidence: geometric mean of the probabilities of its tokens, from 0 to 1.
        source: what it was translated from, or the name of its recording.
    """

    utterance_id: str
    text: str
    confidence: float
    source: str


@dataclass(frozen=True)
class Answers:
    """The texts that count by utterance id, approved ones as they were; who gave them, when and where."""

    texts: Mapping[str, str]
    by: str
    at: str
    through: str


Ask = Callable[[str, Sequence[Question], float], Answers]
"""Asks a person for a node, who has so many hours; raises AntiphonError where nobody answers."""


def choose_doubtful(questions: Iterable[Question], below: float | None, most: int) -> list[Question]:
    """Return the questions of least confidence, the least first.

    Args:
        questions: of all utterances.
        below: only those whose confidence is lower; None for no bound.
        most: so many at most.
    """
    doubtful = (each for each in questions if below is None or each.confidence < below)
    return heapq.nsmallest(most, doubtful, key=lambda each: each.confidence)


def answers_as_corrections(questions: Sequence[Question], answers: Answers, node: str) -> list[Correction]:
    """Return a correction for each question; the text of an approved one is as it was before."""
    return [
        Correction(
            id=question.utterance_id,
            text=answers.texts.get(question.utterance_id, question.text),
            before=question.text,
            node=node,
            by=answers.by,
            at=answers.at,
            file=answers.through,
        )
        for question in questions
    ]
