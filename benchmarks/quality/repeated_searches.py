"""Searches repeated in a table of kept outputs: every repetition draws its own search and confirm data.

The loop, the samplers and the halving are those of `antiphon tune`; only the scores come from the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import get_metric
from components.tuning.domains import Choices
from components.tuning.halving import cut_blocks, is_promoted
from components.tuning.samplers import Searcher
from components.tuning.search import search
from components.tuning.study import Try
from components.tuning.variables import SearchSpace, Variable

SPACE: Mapping[str, tuple[float, ...]] = {
    "doubt.budget": (0.0, 0.25, 0.5, 0.75, 1.0),
    "good.beam_size": (1, 5),
    "de.beam_size": (1, 2, 4, 8),
    "de.length_penalty": (0.0, 0.5, 1.0, 1.5, 2.0),
}
WRITTEN = {"doubt.budget": 0.5, "good.beam_size": 1, "de.beam_size": 4, "de.length_penalty": 1.0}
"""The pipeline before any search: half goes to the larger recognizer, beams as usual."""
REPEATS, TRIES, RUNGS, FACTOR = 30, (8, 16, 32), 3, 2
METRIC = "bleu"
Values = Callable[[Mapping[str, Any], Sequence[int]], tuple[float, ...]]
"""Settings, and positions of utterances -> values of the objectives."""


class Grid:
    """The kept outputs of one data set: the score of any settings on any of its utterances."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.n = len(stored["ids"])
        self._order = np.argsort(-np.asarray(stored["doubt"]["fast-1"]), kind="stable")
        self._wer = {name: np.asarray(rows) for name, rows in stored["wer"].items()}
        self._translated = {
            name: {key: np.asarray(of[METRIC]) for key, of in rows.items()}
            for name, rows in stored["translated"].items()
        }
        self._seconds = {name: seconds / self.n for name, seconds in stored["seconds"].items()}
        self._de_seconds = {name: seconds / self.n for name, seconds in stored["translation_seconds"].items()}

    def _escalates(self, budget: float) -> Any:
        escalates = np.zeros(self.n, bool)
        escalates[self._order[: round(budget * self.n)]] = True
        return escalates

    def _rows(self, of: Mapping[str, FloatArray], settings: Mapping[str, Any]) -> FloatArray:
        escalates = self._escalates(settings["doubt.budget"])[:, None]
        return np.where(escalates, of[f"good-{settings['good.beam_size']}"], of["fast-1"])

    def score(self, settings: Mapping[str, Any], positions: Sequence[int]) -> float:
        """The translation's score."""
        key = _translator(settings)
        rows = self._rows({name: of[key] for name, of in self._translated.items()}, settings)
        return float(get_metric(METRIC).score(rows[list(positions)].sum(0)))

    def wer(self, settings: Mapping[str, Any], positions: Sequence[int]) -> float:
        """The transcript's word error rate."""
        return float(get_metric("wer").score(self._rows(self._wer, settings)[list(positions)].sum(0)))

    def score_of_gold(self, settings: Mapping[str, Any], positions: Sequence[int]) -> float:
        """The score of translating correct transcripts."""
        rows = self._translated["gold"][_translator(settings)]
        return float(get_metric(METRIC).score(rows[list(positions)].sum(0)))

    def seconds(self, settings: Mapping[str, Any]) -> float:
        """CPU seconds per utterance."""
        escalated = settings["doubt.budget"] * self._seconds[f"good-{settings['good.beam_size']}"]
        return self._seconds["fast-1"] + escalated + self._de_seconds[_translator(settings)]


def _translator(settings: Mapping[str, Any]) -> str:
    return f"{settings['de.beam_size']}/{settings['de.length_penalty']:g}"


def space_of(names: Sequence[str] = tuple(SPACE)) -> SearchSpace:
    """Some of the variables as a search space."""
    variables = {
        name: Variable(name, name.partition(".")[0], (name.partition(".")[2],), Choices(SPACE[name]))
        for name in names
    }
    return SearchSpace(variables)


def run_search(
    space: SearchSpace,
    sampler: str,
    values: Values,
    signs: Sequence[int],
    blocks: Sequence[Sequence[int]],
    seed: int,
    tries: int,
) -> tuple[list[Try], int]:
    """The tries of one search, and how many utterances they took."""
    computed = 0

    def evaluate(planned: Sequence[Try], before: Sequence[Try]) -> list[Try]:
        nonlocal computed
        (each,) = planned
        settings, rungs, positions = {**WRITTEN, **each.settings}, [], list[int]()
        for rung, block in enumerate(blocks):
            positions += block
            computed += len(block)
            rungs.append(values(settings, positions))
            others = [other.rungs[rung] for other in before if len(other.rungs) > rung]
            is_last = rung == len(blocks) - 1
            if not is_last and each.number and not is_promoted(0, [rungs[-1], *others], signs, FACTOR):
                return [each.model_copy(update={"state": "pruned", "rungs": tuple(rungs)})]
        return [each.model_copy(update={"state": "complete", "rungs": tuple(rungs)})]

    searcher = Searcher(space, sampler, signs, seed, tries)
    return search(space, searcher, evaluate, tries, 1).tries, computed


def best_of(tries: Sequence[Try], sign: int) -> dict[str, Any]:
    """The settings of the best try on all data."""
    complete = [each for each in tries if each.state == "complete"]
    best = max(complete, key=lambda each: (sign * each.values[0], -each.number))
    return {**WRITTEN, **best.settings}


def repeat_searches(searched: Grid, confirmed: Grid) -> dict[str, Any]:
    """Every method at every number of tries, repeated with other seeds on other draws of the utterances."""
    results: dict[str, Any] = {
        "n": [searched.n, confirmed.n],
        "settings": len(_all_settings()),
        "best": [],
        "methods": {name: {str(tries): [] for tries in TRIES} for name in _METHODS},
        "fronts": {name: {str(tries): [] for tries in TRIES} for name in FRONTS},
    }
    for repeat in range(REPEATS):
        rng = np.random.default_rng([repeat, 11])
        drawn = rng.integers(0, searched.n, searched.n).tolist()
        unseen = rng.integers(0, confirmed.n, confirmed.n).tolist()
        everything = [_score_and_seconds(searched, drawn, settings) for settings in _all_settings()]
        written = searched.score(WRITTEN, drawn), confirmed.score(WRITTEN, unseen)
        results["best"].append(round(max(score for score, _ in everything), 4))
        for tries in TRIES:
            for name, choose in _METHODS.items():
                settings, computed = choose(searched, drawn, repeat, tries)
                scores = searched.score(settings, drawn), confirmed.score(settings, unseen)
                row = [*scores, *written, computed / searched.n]
                results["methods"][name][str(tries)].append([round(value, 4) for value in row])
            for name in FRONTS:
                share = _front_share(searched, drawn, everything, name, repeat, tries)
                results["fronts"][name][str(tries)].append(round(share, 4))
    return results


def _score_and_seconds(grid: Grid, drawn: Sequence[int], settings: Mapping[str, Any]) -> tuple[float, float]:
    return grid.score(settings, drawn), grid.seconds(settings)


def _all_settings() -> list[dict[str, Any]]:
    return [dict(zip(SPACE, values, strict=True)) for values in product(*SPACE.values())]


Choice = tuple[dict[str, Any], int]


def _jointly(
    grid: Grid, drawn: Sequence[int], seed: int, tries: int, *, sampler: str, rungs: int = 1
) -> Choice:
    """All variables at once, for the translation's score."""
    blocks = [[drawn[n] for n in block] for block in cut_blocks(len(drawn), rungs, FACTOR, seed)]
    found, computed = run_search(
        space_of(), sampler, lambda s, p: (grid.score(s, p),), (1,), blocks, seed, tries
    )
    return best_of(found, 1), computed


def _each_alone(grid: Grid, drawn: Sequence[int], seed: int, tries: int) -> Choice:
    """The recognizers for their WER, the translator for its score of correct transcripts."""
    halves = tries // 2
    spoken = space_of(("doubt.budget", "good.beam_size"))
    recognizers, tries_of_recognizers = run_search(
        spoken, "tpe", lambda s, p: (grid.wer(s, p),), (-1,), [drawn], seed, halves
    )
    written = space_of(("de.beam_size", "de.length_penalty"))
    translators, tries_of_translators = run_search(
        written, "tpe", lambda s, p: (grid.score_of_gold(s, p),), (1,), [drawn], seed, halves
    )
    names = ("de.beam_size", "de.length_penalty")
    return {
        **best_of(recognizers, -1),
        **{name: best_of(translators, 1)[name] for name in names},
    }, tries_of_recognizers + tries_of_translators


_METHODS: Mapping[str, Callable[[Grid, Sequence[int], int, int], Choice]] = {
    "tpe": partial(_jointly, sampler="tpe"),
    "cma_es": partial(_jointly, sampler="cma_es"),
    "nsga2": partial(_jointly, sampler="nsga2"),
    "random": partial(_jointly, sampler="random"),
    "tpe, 3 rungs": partial(_jointly, sampler="tpe", rungs=RUNGS),
    "each stage alone": _each_alone,
}


FRONTS = ("nsga2", "tpe", "random")


def _front_share(
    grid: Grid,
    drawn: Sequence[int],
    everything: Sequence[tuple[float, float]],
    sampler: str,
    seed: int,
    tries: int,
) -> float:
    """The share of the hypervolume of the true front of score and seconds that a search's front has."""

    def values(settings: Mapping[str, Any], positions: Sequence[int]) -> tuple[float, float]:
        return _score_and_seconds(grid, positions, settings)

    found, _ = run_search(space_of(), sampler, values, (1, -1), [drawn], seed, tries)
    worst = min(score for score, _ in everything), max(seconds for _, seconds in everything)
    return _volume([each.values for each in found], worst) / _volume(everything, worst)


def _volume(points: Sequence[Sequence[float]], worst: tuple[float, float]) -> float:
    """The area that points dominate, up to the worst score and the worst seconds."""
    area, best = 0.0, worst[0]
    for score, seconds in sorted(points, key=lambda point: (point[1], -point[0])):
        if score > best:
            area += (score - best) * (worst[1] - seconds)
            best = score
    return area
