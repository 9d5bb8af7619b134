"""Does a design find the front, and may its claims be believed? Races repeated in tables of kept outputs.

Systems are known on every utterance of a pool, with the seconds of each node; what a search may ask is there,
and the truth is the score on the whole pool. Captions: the table of the page ``search``. People: recordings
that ``--recordings`` names, recognized by the packaged recognizers one by one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measurements import outputs_path, read_measurements
from benchmarks.common.sections import Result, section_parser
from components.comparison.dominance import count_dominating
from components.design.front import claim_front
from components.design.limit_tests import bound_quantile, bound_ratio
from components.design.race import Everything, Measured, dominated_area, run_race
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.metrics.table import get_metric
from components.records import Hypothesis, NBest
from components.tuning.domains import Choices
from components.tuning.halving import cut_blocks
from components.tuning.samplers import Searcher
from components.tuning.study import Try
from components.tuning.variables import SearchSpace, Variable

PAGE = "design"
SEEDS, RESAMPLES = 20, 200
RUNGS, FACTOR, SHARE = 3, 4, 0.21
N_SEARCH, BLOCKS = 100, 10
FAST, GOOD = "packaged:whisper-tiny.en", "packaged:whisper-base"
BUDGETS = tuple(round(0.1 * n, 1) for n in range(11))
EMPTY = Hypothesis(text="", score=0.0, n_tokens=0, system="none")
CAPTION_SPACE = {"budget": BUDGETS, "good": ("good-1", "good-5"), "translator": ("1/1", "4/1", "8/0.5")}
"""A translator is its beam and its length penalty, as the table names it."""


@dataclass
class System:
    """A system of the table.

    Attributes:
        rows: statistics of its output (n, k).
        nodes: name of a node's computation -> seconds of each utterance (n,); systems share it by its name.
    """

    rows: FloatArray
    nodes: Mapping[str, FloatArray]

    @property
    def seconds(self) -> FloatArray:
        """Of each utterance."""
        return np.sum([*self.nodes.values()], 0)


@dataclass
class World:
    """All systems over a pool of utterances, with the names of their settings."""

    metric: str
    systems: list[System]
    settings: list[dict[str, Any]]

    @property
    def n(self) -> int:
        """Utterances of the pool."""
        return len(self.systems[0].rows)

    def table(self, number: int, positions: Sequence[int]) -> CorpusStatistics:
        """Return the statistics of a system on some utterances, which may be in it more than once."""
        rows = self.systems[number].rows[list(positions)]
        metric = get_metric(self.metric)
        return CorpusStatistics(metric, tuple(map(str, range(len(rows)))), rows, len(rows), self.metric)

    def cost(self, number: int, positions: Sequence[int]) -> float:
        """Return the seconds an utterance."""
        return float(self.systems[number].seconds[list(positions)].mean())

    def measure(self, number: int, positions: Sequence[int]) -> Measured:
        """Return what a race knows of a system."""
        chosen = list(positions)
        nodes = {name: float(of[chosen].mean()) for name, of in self.systems[number].nodes.items()}
        return Measured(self.table(number, chosen), self.cost(number, chosen), 0.0, nodes)

    def number_of(self, settings: Mapping[str, Any]) -> int:
        """Return the system with some settings; one that nothing is sent on stands for several."""
        if settings in self.settings:
            return self.settings.index(dict(settings))
        return next(
            n
            for n, own in enumerate(self.settings)
            if all(own[k] == v for k, v in settings.items() if k != "good")
        )

    def truth(self) -> tuple[FloatArray, FloatArray]:
        """Return the score, more is better, and the cost of each system on the pool."""
        return self.points(range(self.n))

    def points(self, positions: Sequence[int]) -> tuple[FloatArray, FloatArray]:
        """Return signed scores and costs on some utterances."""
        sign = 1 if get_metric(self.metric).higher_is_better else -1
        numbers = range(len(self.systems))
        scores = np.array([sign * self.table(number, positions).score() for number in numbers])
        return scores, np.array([self.cost(number, positions) for number in numbers])


class Meter:
    """Seconds of computing that were spent: what systems share counts once."""

    def __init__(self, world: World) -> None:
        self._world, self._done = world, set[tuple[str, int]]()
        self.seconds = 0.0

    def compute(self, number: int, draws: Sequence[tuple[int, int]]) -> None:
        """Compute a system on some draws: (number of the draw, position of the utterance)."""
        for name, seconds in self._world.systems[number].nodes.items():
            for draw, position in draws:
                if (name, draw) not in self._done:
                    self._done.add((name, draw))
                    self.seconds += float(seconds[position])


def caption_world() -> World:
    """Return the systems of the page ``search``: a routed cascade with other budgets and searches."""
    from benchmarks.quality.repeated_searches import METRIC, Grid

    stored = read_measurements("search")
    grids = [stored[name] for name in ("search", "confirm")]
    every = [dict(zip(CAPTION_SPACE, values, strict=True)) for values in product(*CAPTION_SPACE.values())]
    settings = [each for each in every if each["budget"] or each["good"] == "good-1"]  # else none goes there
    doubt = np.concatenate([np.asarray(g["doubt"]["fast-1"]) for g in grids])
    n = len(doubt)
    threshold = {b: np.quantile(doubt, 1 - b) if b else np.inf for b in CAPTION_SPACE["budget"]}
    of = {
        name: np.concatenate([_seconds(g, name) for g in grids])
        for name in ("fast-1", *CAPTION_SPACE["good"])
    }
    systems = []
    for each in settings:
        key = each["translator"]
        escalates = doubt >= threshold[each["budget"]]
        fast, good = (
            np.concatenate([np.asarray(g["translated"][name][key][METRIC]) for g in grids])
            for name in ("fast-1", each["good"])
        )
        translating = np.concatenate([_translation_seconds(g, key) for g in grids])
        nodes = {
            "fast": of["fast-1"],
            f"{each['good']} {each['budget']}": np.where(escalates, of[each["good"]], 0.0),
            f"de {each}": translating,
        }
        systems.append(System(np.where(escalates[:, None], good, fast), nodes))
    assert n == len(systems[0].rows) and Grid is not None
    return World(METRIC, systems, settings)


def _seconds(grid: Mapping[str, Any], name: str) -> FloatArray:
    n = len(grid["ids"])
    return np.full(n, grid["seconds"][name] / n)


def _translation_seconds(grid: Mapping[str, Any], key: str) -> FloatArray:
    n = len(grid["ids"])
    return np.full(n, grid["translation_seconds"][key] / n)


def people_world(grid: Mapping[str, Any]) -> World:
    """Return routed recognizers over recordings of people: budgets, and beams of both recognizers."""
    doubt = {name: np.asarray(values) for name, values in grid["doubt"].items()}
    rows = {name: np.asarray(values, np.float64) for name, values in grid["wer"].items()}
    seconds = {name: np.asarray(values) for name, values in grid["seconds"].items()}
    systems, settings = [], []
    for budget, small, large in product(BUDGETS, grid["small"], grid["large"]):
        escalates = doubt[small] >= (np.quantile(doubt[small], 1 - budget) if budget else np.inf)
        nodes = {small: seconds[small]}
        if budget:
            nodes[f"{large} for {budget} of {small}"] = np.where(escalates, seconds[large], 0.0)
        systems.append(System(np.where(escalates[:, None], rows[large], rows[small]), nodes))
        settings.append({"budget": budget, "small": small, "large": large})
    return World("wer", systems, settings)


def race_once(world: World, drawn: Sequence[int], seed: int) -> tuple[list[int], float]:
    """Return the finalists of a race over drawn utterances, and its seconds."""
    blocks = cut_blocks(len(drawn), RUNGS, FACTOR, seed)
    meter = Meter(world)

    def evaluate(members: Sequence[int], rung: int) -> dict[int, Measured | str]:
        positions = [drawn[n] for block in blocks[: rung + 1] for n in block]
        for number in members:
            meter.compute(number, [(n, drawn[n]) for n in blocks[rung]])
        return {n: world.measure(n, positions) for n in members}

    race = run_race(Everything(len(world.systems)), RUNGS, evaluate, SHARE)
    return race.finalists(RUNGS), meter.seconds


def others_once(world: World, drawn: Sequence[int], seed: int, seconds: float) -> dict[str, list[int]]:
    """Return what random search and NSGA-II compute on all drawn utterances in as many seconds."""
    draws = list(enumerate(drawn))
    found: dict[str, list[int]] = {}
    scores, costs = world.points(drawn)
    for name in ("random", "nsga2"):
        meter, tried = Meter(world), list[int]()
        space = SearchSpace(
            {"system": Variable("system", "", (), Choices(tuple(range(len(world.systems)))))}
            if name == "random"
            else {
                key: Variable(key, "", (), Choices(tuple(dict.fromkeys(s[key] for s in world.settings))))
                for key in world.settings[0]
            }
        )
        searcher = Searcher(space, name, (1, -1), seed, len(world.systems))
        repeats = 0
        while meter.seconds < seconds and len(tried) < len(world.systems) and repeats < 1000:
            suggestion = searcher.suggest()
            number = suggestion.settings.get("system", -1)
            if number < 0:
                number = world.number_of(suggestion.settings)
            if number not in tried:
                meter.compute(number, draws)
                tried.append(number)
            else:
                repeats += 1
            values = (float(scores[number]), float(costs[number]))
            searcher.tell(
                suggestion, Try(number=0, settings=suggestion.settings, state="complete", rungs=(values,))
            )
        found[name] = tried
    return found


def search_shares(world: World) -> dict[str, list[float]]:
    """Return for every seed the share of the exhaustive hypervolume and of its seconds."""
    results: dict[str, list[float]] = {"race": [], "random": [], "nsga2": [], "seconds": []}
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 7])
        drawn = rng.integers(0, world.n, N_SEARCH).tolist()
        scores, costs = world.points(drawn)
        corner = float(scores.min()), float(np.log(costs.max()))
        whole = dominated_area(scores, np.log(costs), corner)
        meter = Meter(world)
        for number in range(len(world.systems)):
            meter.compute(number, list(enumerate(drawn)))
        finalists, seconds = race_once(world, drawn, seed)
        results["seconds"].append(seconds / meter.seconds)
        found = {"race": finalists, **others_once(world, drawn, seed, seconds)}
        for name, numbers in found.items():
            results[name].append(dominated_area(scores[numbers], np.log(costs[numbers]), corner) / whole)
    return results


def claims(world: World) -> dict[str, Any]:
    """Return how often a claim is broken by the truth: of the front, and of limits."""
    truth, true_costs = world.truth()
    margins, broken, sizes, limits_broken, limits_passed = [], 0, [], 0, 0
    quantile_broken, quantile_passed = 0, 0
    for repeat in range(RESAMPLES):
        rng = np.random.default_rng([repeat, 9])
        drawn, unseen = (rng.integers(0, world.n, N_SEARCH).tolist() for _ in range(2))
        finalists, _ = race_once(world, drawn, repeat)
        tables = [world.table(number, unseen) for number in finalists]
        costs = [world.cost(number, unseen) for number in finalists]
        front = claim_front(tables, costs, None)
        members = [finalists[position] for position in front.members]
        margins.append(front.margin)
        sizes.append(len(members))
        broken += any(
            truth[other] > truth[number] + front.margin and true_costs[other] <= true_costs[number]
            for number in members
            for other in finalists
        )
        allowed = float(rng.uniform(np.min(true_costs), np.max(true_costs)))
        limit_p95 = float(rng.uniform(0.7, 1.3)) * float(
            np.quantile(world.systems[finalists[0]].seconds, 0.95)
        )
        for number in finalists:
            seconds = world.systems[number].seconds
            parts = [unseen[start::BLOCKS] for start in range(BLOCKS)]
            test = bound_ratio("seconds", allowed, [seconds[p].sum() for p in parts], list(map(len, parts)))
            limits_passed += test.keeps is True
            limits_broken += test.keeps is True and true_costs[number] > allowed
            of_requests = bound_quantile("p95", limit_p95, seconds[unseen].tolist())
            quantile_passed += of_requests.keeps is True
            quantile_broken += of_requests.keeps is True and float(np.quantile(seconds, 0.95)) > limit_p95
    return {
        "resamples": RESAMPLES,
        "broken": int(broken),
        "margins": np.quantile(margins, (0.1, 0.5, 0.9)).tolist(),
        "sizes": float(np.mean(sizes)),
        "limits": {"passed": int(limits_passed), "broken": int(limits_broken)},
        "p95": {"passed": int(quantile_passed), "broken": int(quantile_broken)},
    }


def front_size(world: World) -> int:
    """Return how many systems are on the true front."""
    truth, costs = world.truth()
    return count_dominating([*zip(truth.tolist(), costs.tolist(), strict=True)], (1, -1)).count(0)


def recognize_people(manifest: Path, limit: int) -> dict[str, Any]:
    """Recognize recordings one by one, and return what routes between recognizers can be made of."""
    from components import data
    from components.metrics.metric import align_segments
    from components.recognition.config import RecognitionConfig
    from components.recognition.factory import build

    utterances = data.load(str(manifest), limit=limit).utterances
    recognizers = {
        f"{name}-{beam}": (model, beam)
        for name, model, beams in (("tiny", FAST, (1, 5)), ("base", GOOD, (1, 3, 5)))
        for beam in beams
    }
    found: dict[str, Any] = {"ids": [u.id for u in utterances], "doubt": {}, "wer": {}, "seconds": {}}
    found |= {
        "small": [n for n in recognizers if n[0] == "t"],
        "large": [n for n in recognizers if n[0] == "b"],
    }
    wer = get_metric("wer")
    for name, (model, beam) in recognizers.items():
        component = build(RecognitionConfig(model=model, beam_size=beam, n_best=1))
        component.recognize(utterances[:1])  # loads
        texts, doubts, seconds = {}, [], []
        for utterance in utterances:
            start = time.perf_counter()
            (outcome,) = component.recognize([utterance])
            seconds.append(round(time.perf_counter() - start, 4))
            best = outcome.hypotheses[0] if isinstance(outcome, NBest) else EMPTY
            texts[utterance.id] = best.text
            doubts.append(-best.score / max(1, best.n_tokens))
        references = {u.id: [u.transcript or ""] for u in utterances}
        segments = align_segments(references, texts, "en", len(utterances))
        found["wer"][name] = np.asarray(wer.statistics(wer.select(segments))).tolist()
        found["doubt"][name], found["seconds"][name] = doubts, seconds
    return found


def parser() -> argparse.ArgumentParser:
    """The options of this section."""
    section = section_parser("benchmarks.quality design", __doc__)
    section.add_argument("--recordings", type=Path, help="manifest of recordings of people, with transcripts")
    section.add_argument("--limit", type=int, default=200, help="so many of them")
    return section


def measure(options: argparse.Namespace) -> Iterator[Result]:
    """Races in both worlds, and how often claims break."""
    if options.recordings is not None:
        grid = recognize_people(options.recordings, options.limit)
        yield Result("people, grid", grid, [FAST, GOOD])
    worlds = {"captions": caption_world()}
    is_stored = outputs_path(PAGE, options.out).exists()
    stored = read_measurements(PAGE, options.out) if is_stored else None
    if stored is not None and "people, grid" in stored.parts:
        worlds["people"] = people_world(stored["people, grid"])
    for name, world in worlds.items():
        facts = {
            "n": world.n,
            "systems": len(world.systems),
            "metric": world.metric,
            "front": front_size(world),
        }
        yield Result(name, {**facts, "shares": search_shares(world), "claims": claims(world)}, [])
