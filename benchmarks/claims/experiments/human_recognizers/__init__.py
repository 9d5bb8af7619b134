"""E24: Whisper's decoder fine-tuned to human voices: mixtures, soups, task vectors, shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.claims.experiments.bagging import NUMBERS, OF_FOUR, TRIPLES
from benchmarks.claims.experiments.human_recognizers.measuring import (
    BAGS,
    LAST,
    MEAN,
    MIXED,
    PAIRS,
    READ_OUT,
    measure_mixtures,
    measure_pairs,
    measure_shares,
    measure_soups,
    measure_tasks,
)
from benchmarks.claims.experiments.human_recognizers.models import (
    BAG,
    BASE,
    DUTCH,
    FRENCH,
    INGREDIENTS,
    ONE,
    SEEDS,
    SETS,
    divide,
    tune,
)
from benchmarks.claims.merging import VECTOR_METHODS
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.over_sets import compare_over_sets
from benchmarks.claims.pair_correlation import correlate_pairs, gains_of_pairs
from benchmarks.claims.scoring import score_sections
from benchmarks.claims.speech.recognizers import Recognizers
from benchmarks.claims.workspace import Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import best_on_dev, choose_on_grid, refuse_edges
from components.claims.statistics.measuring import Members, of_both, of_sums, two_level
from components.claims.systems.forced_scores import FloatArray, nats_per_token, sums_of_tokens
from components.claims.verdict import Measured, Result
from components.metrics.statistics.seed_bootstrap import ItemSums

TITLE = "Whisper fine-tuned to human voices"
QUESTION = """
What captions and manuals were asked, asked of speech by people. The decoder of Whisper base is fine-tuned,
over encoder outputs that stay, on acted Dutch dialogue (four seeds, four bootstrap samples) and on French
telephone prompts (three seeds), 32 updates of 8 recordings each. Are three models mixed better than one, five
checkpoints than the mean of their weights, three bags than one model of all recordings? What do soups, means
of two, task vectors, TIES, and shares learned from 50 recordings gain? By nats a token of the transcripts,
and by WER.
"""
Values = list[list[float]]
"""Nats by replicate and recording."""


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, then measure everything that is registered."""
    sets = {name: divide(work, name) for name in SETS}
    bench = Recognizers(work, BASE)
    dutch = {kind: {n: tune(bench, sets, DUTCH, n, bag=kind == BAG) for n in NUMBERS} for kind in (ONE, BAG)}
    french = {n: tune(bench, sets, FRENCH, n) for n in SEEDS}
    ingredients = {number: dutch[kind][n] for number, (kind, n) in enumerate(INGREDIENTS)}
    outputs.measurements["tokens"] = {
        name: bench.score(BASE, parts["test"]).sentence_tokens() for name, parts in sets.items()
    }
    measure_shares(bench, outputs, dutch[ONE], french, sets)
    measure_soups(bench, outputs, ingredients, sets)
    measure_pairs(bench, outputs, ingredients, sets[DUTCH]["test"])
    measure_tasks(bench, outputs, dutch[ONE], french, sets)
    measure_mixtures(bench, outputs, dutch, sets[DUTCH]["test"])


def results(outputs: Outputs) -> Mapping[str, Measured]:
    """The registered comparisons."""
    return {**_mixtures(outputs), **_tasks(outputs), **_soups(outputs), **_pairs(outputs), **_shares(outputs)}


def _sums(outputs: Outputs, rows: Values, name: str = DUTCH) -> FloatArray:
    return sums_of_tokens(rows, outputs.measurements["tokens"][name])


def _compare(outputs: Outputs, first: Values, second: Values, over: str, members: Members | None) -> Result:
    sums = ItemSums(nats_per_token, _sums(outputs, first), _sums(outputs, second))
    return of_sums(sums, f"{over} x {len(first[0])} recordings", members=members)


def _mixtures(outputs: Outputs) -> dict[str, Measured]:
    """Over members of the triples, or over trainings, and recordings."""
    on_dev = dict(zip(NUMBERS, outputs.measurements["on dev"], strict=False))
    best = [best_on_dev({n: on_dev[n] for n in triple}) for triple in TRIPLES]
    compared: dict[str, tuple[str, str, Sequence[int]]] = {
        "ensembling": (MIXED, ONE, best),
        "bagging": (BAGS, ONE, NUMBERS),
        "checkpoints": (LAST, MEAN, SEEDS),
    }
    measured = {}
    for claim, (system, baseline, numbers) in compared.items():
        triples = claim != "checkpoints"
        arms = ((system, NUMBERS if triples else SEEDS), (baseline, numbers))
        members, replicates = (TRIPLES, OF_FOUR) if triples else (None, "seeds")
        nats = outputs.measurements["mixtures"]
        values = ([nats[name][str(n)] for n in own] for name, own in arms)
        tables = ([outputs.statistics(DUTCH, name, n, "wer") for n in own] for name, own in arms)
        over = f"{len(arms[0][1])} {replicates}"
        by_metric = {
            "nats": _compare(outputs, *values, over, members),
            "wer": two_level(*tables, replicates=replicates, items="recordings", members=members),
        }
        measured[f"{claim}.on_human_voices"] = Measured(by_metric=by_metric)
    return measured


def _tasks(outputs: Outputs) -> dict[str, Measured]:
    """Means over both sets; without an answer where a scale lies at the upper edge of its grid."""
    curves = [outputs.measurements[f"curves {seed}"] for seed in SEEDS]
    addition, ties = (
        refuse_edges(
            {f"{system}, seed {seed}": own[system] for seed, own in zip(SEEDS, curves, strict=True)},
            natural=(0.0,),
        )
        for system in VECTOR_METHODS
    )
    best = [list(SETS)[int(choose_on_grid(own["specialists"]))] for own in curves]
    compared = {
        "task_addition.on_human_voices": ("addition", ["base"] * len(SEEDS), addition),
        "task_addition.against_specialist_on_human_voices": ("addition", best, addition),
        "ties.on_human_voices": ("TIES", ["addition"] * len(SEEDS), (*ties, *addition)),
        "ties.against_mean_on_human_voices": ("TIES", ["mean of both"] * len(SEEDS), ties),
    }
    compare = partial(
        compare_over_sets,
        seeds=SEEDS,
        nats="tasks",
        texts={name: f"{name}, {READ_OUT}" for name in SETS},
        metrics=("wer",),
        items="recordings",
        sets="languages",
    )
    return {
        name: Measured(by_metric=compare(outputs, system, baselines), refused=refused)
        for name, (system, baselines, refused) in compared.items()
    }


def _soups(outputs: Outputs) -> dict[str, Measured]:
    """Over the ingredients of the drawn triples, and recordings."""
    soups = outputs.measurements["soups"]
    members = [tuple(draw["uniform"]) for draw in soups["draws"]]
    over = f"{len(members)} triples of {len(INGREDIENTS)} fine-tunings"

    def arm(choice: str, name: str) -> FloatArray:
        return _sums(outputs, [soups["nats"][str(draw[choice])][name] for draw in soups["draws"]], name)

    def compare(first: str, second: str, name: str = DUTCH) -> ItemSums:
        return ItemSums(nats_per_token, arm(first, name), arm(second, name))

    robust = compare("uniform", "greedy", FRENCH), compare("greedy", "uniform")
    compared = {
        "greedy_on_human_voices": of_sums(compare("greedy", "best"), over, members=members),
        "uniform_on_human_voices": of_sums(compare("uniform", "best"), over, members=members),
        "interaction_on_human_voices": of_both(*robust, over, members=members),
    }
    return {f"soups.{name}": Measured(by_metric={"nats": result}) for name, result in compared.items()}


def _pairs(outputs: Outputs) -> dict[str, Measured]:
    """Over the fine-tunings that pairs are made of, and recordings."""
    pairs, tokens = outputs.measurements["pairs"], outputs.measurements["tokens"][DUTCH]

    def gains(system: str, part: slice) -> FloatArray:
        return gains_of_pairs(pairs["single"], dict(zip(PAIRS, pairs[system], strict=True)), tokens, part)

    halves = slice(0, None, 2), slice(1, None, 2)
    tables = [(gains("mean", first), gains("ensemble", second)) for first, second in (halves, halves[::-1])]
    over = f"{len(PAIRS)} pairs of {len(INGREDIENTS)} fine-tunings"
    r = correlate_pairs(tables, f"{over}, halves of the recordings")
    nats = _compare(outputs, pairs["mean"], pairs["ensemble"], over, PAIRS)
    return {
        "averaging_like_ensembling.correlation_on_human_voices": Measured(by_metric={"r": r}),
        "averaging_like_ensembling.on_human_voices": Measured(by_metric={"nats": nats}),
    }


def _shares(outputs: Outputs) -> dict[str, Measured]:
    """Over the pairs of specialists that draws were made with, and recordings."""
    rows = outputs.measurements["shares"]
    arms = ([row[way] for row in rows] for way in ("learned", "equal"))
    over = f"{len(rows)} draws with {len(SEEDS)} pairs of specialists"
    nats = _compare(outputs, *arms, over, [(row["seed"],) for row in rows])
    return {"few_examples.on_human_voices": Measured(by_metric={"nats": nats})}


def page(outputs: Outputs) -> list[str]:
    """WER and nats of all systems, scales, soups, shares."""
    tokens = {name: sum(row) for name, row in outputs.measurements["tokens"].items()}

    def mean(rows: Sequence[Sequence[float]], name: str) -> str:
        return f"{np.mean([sum(row) for row in rows]) / tokens[name]:.3f}"

    mixtures = outputs.measurements["mixtures"]
    by_seed = [outputs.measurements[f"tasks {seed}"] for seed in SEEDS]
    tasks = [
        (system, *(mean([nats[system][name] for nats in by_seed], name) for name in SETS))
        for system in by_seed[0]
    ]
    soups = outputs.measurements["soups"]
    cooked = [
        (
            choice,
            *(
                mean([soups["nats"][str(draw[choice])][name] for draw in soups["draws"]], name)
                for name in SETS
            ),
        )
        for choice in ("best", "greedy", "uniform")
    ]
    scales = [
        (system, *(f"{choose_on_grid(outputs.measurements[f'curves {s}'][system]):g}" for s in SEEDS))
        for system in VECTOR_METHODS
    ]
    weights = [row["weights"][0] for row in outputs.measurements["shares"]]
    tables: dict[str, tuple[Sequence[str], Sequence[tuple[Any, ...]]]] = {
        "Nats a token, Dutch": (
            ("system", "nats"),
            [(system, mean(list(rows.values()), DUTCH)) for system, rows in mixtures.items()],
        ),
        "Nats a token, task vectors": (("system", *SETS), tasks),
        "Scales": (("system", *(f"seed {seed}" for seed in SEEDS)), scales),
        "Nats a token, soups of three": (("soup", *SETS), cooked),
    }
    lines = []
    for title, (header, rows) in tables.items():
        lines += [f"## {title}", markdown_table(header, rows)]
    lines += [
        "## Shares",
        f"Share of the Dutch model after 50 recordings: {min(weights):.2f} to {max(weights):.2f}.",
    ]
    sets = [DUTCH, *(f"{name}, {READ_OUT}" for name in SETS)]
    return [*lines, *score_sections(outputs, sets, "Word errors", metrics=("wer",))]
