"""Replays of kept utterances: false alarms of tests that are looked at every 25, and utterances saved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.claims.experiment import EXPERIMENTS
from benchmarks.claims.outputs import read_outputs
from benchmarks.common.paths import RESULTS
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.table import METRICS
from components.monitoring.sequential.betting import log_capital
from components.monitoring.sequential.pseudo_values import BLOCK, pseudo_differences
from components.monitoring.sequential.sequential_test import ALPHA, decide

LIFE, REPLAYS = 3000, 2000
"""Utterances of a replay, and replays."""
LEAST = 1.0
"""Points of a difference whose early stop is measured."""
PAIRS = 40
"""Pairs of systems of an experiment at most, drawn."""
Z = 1.959964


class Pair(NamedTuple):
    """Two systems over the same utterances: statistics (n, k) of each."""

    name: str
    metric: str
    system: FloatArray
    baseline: FloatArray


def read_pairs(metric: str) -> Iterator[Pair]:
    """Pairs of systems of every experiment that keeps statistics, over all test sets that both have."""
    rng = np.random.default_rng(0)
    for experiment in EXPERIMENTS:
        outputs = read_outputs(experiment, RESULTS / "outputs")
        if not outputs:
            continue
        tables: dict[tuple[str, int], dict[str, FloatArray]] = {}
        for each in outputs.systems:
            if metric in each.statistics and each.data != "val":
                rows = np.array(each.statistics[metric], np.float64)
                tables.setdefault((each.system, each.seed), {})[each.data] = rows
        pairs = list(itertools.combinations(sorted(tables), 2))
        rng.shuffle(pairs)
        for (one, seed), (other, other_seed) in pairs[:PAIRS]:
            a, b = tables[one, int(seed)], tables[other, int(other_seed)]
            sets = [name for name in a if name in b and len(a[name]) == len(b[name])]
            if sets:
                system, baseline = (np.concatenate([of[name] for name in sets]) for of in (a, b))
                yield Pair(f"{experiment}: {one}/{seed}, {other}/{other_seed}", metric, system, baseline)


def replay_null(pair: Pair, replays: int = REPLAYS) -> dict[str, Any]:
    """Alarms where nothing differs: utterances are drawn, their outputs exchanged at random."""
    rng, score = np.random.default_rng(1), METRICS[pair.metric].score
    alarms = {"sequential": 0, "fixed": 0, "fixed at the end": 0}
    for _ in range(replays):
        drawn = rng.integers(0, len(pair.system), LIFE)
        exchanged = rng.random(LIFE)[:, None] < 0.5
        a, b = pair.system[drawn], pair.baseline[drawn]
        one, other = np.where(exchanged, a, b), np.where(exchanged, b, a)
        values = pseudo_differences(one, other, score)
        x = (values / 100).clip(-1, 1)
        looks = slice(BLOCK - 1, None, BLOCK)
        highest = max(log_capital(side)[looks].max() for side in (x, -x))
        alarms["sequential"] += highest >= np.log(2 / ALPHA)
        z = np.abs(_z_scores(values)[looks])
        alarms["fixed"] += z.max() >= Z
        alarms["fixed at the end"] += z[-1] >= Z
    return {
        "pair": pair.name,
        "metric": pair.metric,
        "replays": replays,
        "alarms": {k: int(v) for k, v in alarms.items()},
    }


def _z_scores(values: FloatArray) -> FloatArray:
    """The paired z-test of the mean after each utterance, which the bootstrap is at these sizes."""
    n = np.arange(1, len(values) + 1)
    mean = values.cumsum() / n
    variance = np.maximum((values**2).cumsum() / n - mean**2, 1e-12)
    return np.asarray(mean / np.sqrt(variance / n), np.float64)


def measure_pair(pair: Pair, orders: int = 5) -> dict[str, Any]:
    """When a pair is decided, as a share of its utterances, over several random orders."""
    score = METRICS[pair.metric].score
    n, difference = len(pair.system), float(score(pair.system.sum(0)) - score(pair.baseline.sum(0)))
    decided, wrong, error = [], 0, []
    sign = 1 if METRICS[pair.metric].higher_is_better else -1
    for seed in range(orders):
        order = np.random.default_rng(seed).permutation(n)
        values = pseudo_differences(pair.system[order], pair.baseline[order], score)
        verdict, place = decide((sign * values / 100).clip(-1, 1), ALPHA)
        error.append(abs(float(values.mean()) - difference))
        decided.append(n if place is None else min(n, -(-place // BLOCK) * BLOCK))
        wrong += verdict == ("worse" if sign * difference > 0 else "better")
    return {
        "pair": pair.name,
        "metric": pair.metric,
        "n": n,
        "difference": difference,
        "decided": decided,
        "wrong": wrong,
        "error": float(np.mean(error)),
        "z": float(_z_scores(values)[-1]),
    }
