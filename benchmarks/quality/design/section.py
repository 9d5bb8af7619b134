"""Does a design find the front, and may its claims be believed? Races repeated in tables of kept outputs.

Systems are known on every utterance of a pool, with the seconds of each node; what a search may ask is there,
and the truth is the score on the whole pool. Captions: the table of the page ``search``. People: recordings
that ``--recordings`` names, recognized by the packaged recognizers one by one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.measurements import outputs_path, read_measurements
from benchmarks.common.sections import Result, option
from benchmarks.quality.design.kept import FAST, GOOD, caption_world, people_world, recognize_people
from benchmarks.quality.design.worlds import Meter, World
from components.design.front import claim_front
from components.design.limit_tests import bound_quantile, bound_ratio
from components.design.racing.race import Everything, count_rungs, run_race
from components.design.racing.selection import Measured, dominated_area
from components.tuning.domains import Choices
from components.tuning.halving import cut_blocks
from components.tuning.samplers import Searcher
from components.tuning.study import Try
from components.tuning.variables import SearchSpace, Variable
from flows.parameters.searches.design import DesignParameters

PAGE = "design"
SEEDS, RESAMPLES = 20, 200
RUNGS, FACTOR, SHARE = (
    DesignParameters.model_fields[name].default for name in ("rungs", "reduction_factor", "share")
)
N_SEARCH, BLOCKS = 100, 10
OPTIONS = {
    "recordings": option(Path, "manifest of recordings of people, with transcripts"),
    "limit": option(200, "so many of them"),
}


def race_once(world: World, drawn: Sequence[int], seed: int) -> tuple[list[int], float]:
    """Return the finalists of a race over drawn utterances, and its seconds."""
    blocks = cut_blocks(len(drawn), count_rungs(len(drawn), RUNGS, FACTOR), FACTOR, seed)
    meter = Meter(world, drawn)

    def evaluate(members: Sequence[int], rung: int) -> dict[int, Measured | str]:
        draws = [n for block in blocks[: rung + 1] for n in block]
        known = {}
        for number in members:
            is_forecast = rung < len(blocks) - 1 and world.systems[number].mix is not None
            if not is_forecast:
                meter.compute(number, draws)
            known[number] = meter.measure(number, draws, is_forecast=is_forecast)
        return known

    race = run_race(Everything(len(world.systems)), list(map(len, blocks)), evaluate, SHARE)
    return race.finalists(len(blocks)), meter.seconds


def others_once(world: World, drawn: Sequence[int], seed: int, seconds: float) -> dict[str, list[int]]:
    """Return what random search and NSGA-II compute on all drawn utterances in as many seconds."""
    computed: dict[str, list[int]] = {}
    scores, costs = world.points(drawn)
    for name in ("random", "nsga2"):
        meter, tried, repeats = Meter(world, drawn), list[int](), 0
        searcher = Searcher(_space(world, name), name, (1, -1), seed, len(world.systems))
        while meter.seconds < seconds and len(tried) < len(world.systems) and repeats < 1000:
            suggestion = searcher.suggest()
            number = suggestion.settings.get("system", -1)
            if number < 0:
                number = world.number_of(suggestion.settings)
            if number not in tried:
                meter.compute(number, range(len(drawn)))
                tried.append(number)
            else:
                repeats += 1
            values = (float(scores[number]), float(costs[number]))
            searcher.tell(
                suggestion, Try(number=0, settings=suggestion.settings, state="complete", rungs=(values,))
            )
        computed[name] = tried
    return computed


def _space(world: World, sampler: str) -> SearchSpace:
    if sampler == "random":
        return SearchSpace({"system": Variable("system", "", (), Choices(tuple(range(len(world.systems)))))})
    values = {key: tuple(dict.fromkeys(each[key] for each in world.settings)) for key in world.settings[0]}
    return SearchSpace({key: Variable(key, "", (), Choices(of)) for key, of in values.items()})


def search_shares(world: World) -> dict[str, list[float]]:
    """Return for every seed the share of the exhaustive hypervolume and of its seconds."""
    results: dict[str, list[float]] = {"race": [], "random": [], "nsga2": [], "seconds": []}
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 7])
        drawn = rng.integers(0, world.n, N_SEARCH).tolist()
        scores, costs = world.points(drawn)
        corner = float(scores.min()), float(np.log(costs.max()))
        whole = dominated_area(scores, np.log(costs), corner)
        meter = Meter(world, drawn)
        for number in range(len(world.systems)):
            meter.compute(number, range(N_SEARCH))
        finalists, seconds = race_once(world, drawn, seed)
        results["seconds"].append(seconds / meter.seconds)
        computed = {"race": finalists, **others_once(world, drawn, seed, seconds)}
        for name, numbers in computed.items():
            results[name].append(dominated_area(scores[numbers], np.log(costs[numbers]), corner) / whole)
    return results


def claims(world: World) -> dict[str, Any]:
    """Return how often a claim is broken by the truth: of the front, and of limits."""
    truth, true_costs = world.truth()
    margins, sizes, broken = list[float](), list[int](), 0
    limits, p95 = ({"passed": 0, "broken": 0} for _ in range(2))
    for repeat in range(RESAMPLES):
        rng = np.random.default_rng([repeat, 9])
        drawn, unseen = (rng.integers(0, world.n, N_SEARCH).tolist() for _ in range(2))
        finalists, _ = race_once(world, drawn, repeat)
        tables = [world.table(number, unseen) for number in finalists]
        front = claim_front(tables, [world.cost(number, unseen) for number in finalists], None)
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
            limits["passed"] += test.keeps is True
            limits["broken"] += test.keeps is True and bool(true_costs[number] > allowed)
            of_requests = bound_quantile("p95", limit_p95, seconds[unseen].tolist())
            p95["passed"] += of_requests.keeps is True
            p95["broken"] += of_requests.keeps is True and float(np.quantile(seconds, 0.95)) > limit_p95
    return {
        "resamples": RESAMPLES,
        "broken": int(broken),
        "margins": np.quantile(margins, (0.1, 0.5, 0.9)).tolist(),
        "sizes": float(np.mean(sizes)),
        "limits": limits,
        "p95": p95,
    }


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
        facts = {"n": world.n, "systems": len(world.systems), "metric": world.metric}
        facts["front"] = world.front_size
        yield Result(name, {**facts, "shares": search_shares(world), "claims": claims(world)}, [])
