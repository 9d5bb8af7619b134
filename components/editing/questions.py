"""Which texts a person is asked about, and their answers as corrections."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from components.editing.correction import Correction
from components.nodes.questions import Answers, Question


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
