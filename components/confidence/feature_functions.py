"""A row of the table of features, and what rows are computed by: of a text, its list, a further input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.confidence import agreement
from components.number_ranges import Range
from components.records import Hypothesis, NBest, Route, Utterance


@dataclass(frozen=True)
class Text:
    """A text whose features are computed: the n-best list that it leads, and its utterance."""

    nbest: NBest
    utterance: Utterance


@dataclass(frozen=True)
class Feature:
    """A row of the table.

    Attributes:
        summary: what it is, with its unit.
        source: who proposed it, or where it is used.
        needs: what a text must have; where it has not, the feature is absent.
        limits: the least and the greatest value there is.
        compute: of a text; None where it lacks what is needed. A row without it is a number that systems
            write into their hypotheses themselves.
        compare: of a text and a further input, for a feature ``NAME.INPUT``.
    """

    summary: str
    source: str
    needs: str
    limits: Range
    compute: Callable[[Text], float | None] | None = None
    compare: Callable[[Text, NBest | Route], float | None] | None = None


def of_best(function: Callable[..., float | None]) -> Callable[[Text], float | None]:
    """Compute a feature of the best hypothesis."""
    return lambda text: function(text.nbest.best)


def of_list(function: Callable[[NBest], float | None]) -> Callable[[Text], float | None]:
    """Compute a feature of the whole list."""
    return lambda text: function(text.nbest)


def per_second(count: Callable[[str], int]) -> Callable[[Text], float | None]:
    """Compute a rate per second of the speech; None of written text."""

    def rate(text: Text) -> float | None:
        audio = text.utterance.audio
        return None if audio is None else count(text.nbest.best.text) / audio.seconds

    return rate


def per_source(count: Callable[[str], int]) -> Callable[[Text], float | None]:
    """Compute a ratio to the source text; None where there is none."""

    def ratio(text: Text) -> float | None:
        source = count(text.utterance.text or "")
        return count(text.nbest.best.text) / source if source else None

    return ratio


def with_text(function: Callable[[str, str], float]) -> Callable[[Text, NBest | Route], float | None]:
    """Compare the best text with that of a further input; None of a table."""
    return lambda text, other: (
        function(text.nbest.best.text, other.best.text) if isinstance(other, NBest) else None
    )


def with_best(
    function: Callable[[Hypothesis], float | None],
) -> Callable[[Text, NBest | Route], float | None]:
    """Compute a feature of a further input's best hypothesis alone; None of a table."""
    return lambda text, other: function(other.best) if isinstance(other, NBest) else None


def with_list(function: Callable[[NBest], float | None]) -> Callable[[Text, NBest | Route], float | None]:
    """Compute a feature of a further input's list; None of fewer than two texts."""

    def compare(text: Text, other: NBest | Route) -> float | None:
        several = isinstance(other, NBest) and len(other.hypotheses) > 1
        return function(other) if several else None  # type: ignore[arg-type]

    return compare


def consensus(text: Text, other: NBest | Route) -> float | None:
    """Return the mean chrF of the text against each text of a further list; None of fewer than two."""
    if not isinstance(other, NBest) or len(other.hypotheses) == 1:
        return None
    return agreement.mean_similarity(text.nbest.best.text, [h.text for h in other.hypotheses])


def count_words(text: str) -> int:
    """Return the number of words."""
    return len(text.split())
