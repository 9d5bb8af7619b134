"""Answers of annotators: scores of outputs, under the codes of a campaign."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from components.metrics.judgement_table import TableFaults


class Answer(NamedTuple):
    """The score that an annotator gave an output, from 0 to 100."""

    annotator: str
    item: str
    code: str
    score: float


class AnswerFaults(TableFaults):
    """What is wrong in a file of answers, by kind: how many, and the first."""

    def read_score(self, value: object, line: int) -> float:
        """Return a score from 0 to 100; anything else is noted."""
        try:
            score = float(str(value).replace(",", "."))
        except ValueError:
            score = math.nan
        if not 0 <= score <= 100:
            self.add("expected scores from 0 to 100", line, repr(value)[:40])
        return score


def keep_last(answers: Iterable[Answer]) -> tuple[list[Answer], int]:
    """Keep the last answer of an annotator to an output; also return how many were replaced."""
    last: dict[tuple[str, str, str], Answer] = {}
    replaced = 0
    for answer in answers:
        replaced += answer[:3] in last
        last[answer[:3]] = answer
    return list(last.values()), replaced
