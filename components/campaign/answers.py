"""Answers of annotators: scores of outputs, under the codes of a campaign."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from components.errors import ConfigError


class Answer(NamedTuple):
    """The score that an annotator gave an output, from 0 to 100."""

    annotator: str
    item: str
    code: str
    score: float


class AnswerFaults:
    """What is wrong in a file of answers, by kind: how many, and the first."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._kinds: dict[str, list[str]] = {}

    def add(self, kind: str, line: int, what: str) -> None:
        """Note a fault."""
        self._kinds.setdefault(kind, []).append(f"line {line}: {what}")

    def read_score(self, value: object, line: int) -> float:
        """A score from 0 to 100; anything else is noted."""
        try:
            score = float(str(value).replace(",", "."))
        except ValueError:
            score = math.nan
        if not 0 <= score <= 100:
            self.add("expected scores from 0 to 100", line, repr(value)[:40])
        return score

    def refuse(self) -> None:
        """Raise ConfigError with a line per kind, if there is any."""
        if self._kinds:
            raise ConfigError(
                "\n".join(
                    f"{self._where}: {kind}, found {len(places):,} that are not (first in {places[0]})"
                    for kind, places in self._kinds.items()
                )
            )


def keep_last(answers: Iterable[Answer]) -> tuple[list[Answer], int]:
    """Of answers to the same output by the same annotator the last; also how many were replaced."""
    last: dict[tuple[str, str, str], Answer] = {}
    replaced = 0
    for answer in answers:
        replaced += answer[:3] in last
        last[answer[:3]] = answer
    return list(last.values()), replaced
