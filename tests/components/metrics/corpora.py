"""A made-up corpus with three systems that get more or fewer words wrong."""

from __future__ import annotations

import random
from collections.abc import Callable

from components.metrics.metric import CorpusScore
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics

WORDS = [
    *("der", "die", "das", "ein", "eine", "Hund", "Katze", "Mann", "Frau", "läuft", "sitzt", "über"),
    *("den", "Schnee", "im", "Park", "und", "lacht", "."),
]
N = 45  # not a multiple of 32: the draw of booleans must not depend on how it is cut


def corpus(noise: dict[str, float]) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, str]]]:
    """References, and systems that replace each word with a probability."""
    draw = random.Random(3)
    references, systems = {}, {name: {} for name in noise}
    for n in range(N):
        words = draw.choices(WORDS, k=draw.randint(4, 14))
        key = f"u{(n * 7) % N:02d}"
        references[key] = (" ".join(words),)
        for name, rate in noise.items():
            systems[name][key] = " ".join(draw.choice(WORDS) if draw.random() < rate else w for w in words)
    return references, systems


REFERENCES, SYSTEMS = corpus({"base": 0.30, "alike": 0.28, "good": 0.1})


class FunctionScore(CorpusScore):
    """A score that is any function of sums (..., k)."""

    name = label = "m"
    ceiling = 100.0

    def __init__(self, function: Callable[[FloatArray], FloatArray], higher_is_better: bool) -> None:
        self.function, self.higher_is_better = function, higher_is_better

    def score(self, sums: FloatArray) -> FloatArray:
        return self.function(sums)


def table_of(
    rows: FloatArray,
    function: Callable[[FloatArray], FloatArray] = lambda sums: sums[..., 0],
    *,
    ids: tuple[str, ...] | None = None,
    higher_is_better: bool = True,
) -> CorpusStatistics:
    """Statistics (n, k) of which ``function`` makes the score."""
    names = tuple(map(str, range(len(rows)))) if ids is None else ids
    return CorpusStatistics(FunctionScore(function, higher_is_better), names, rows, len(rows), "")
