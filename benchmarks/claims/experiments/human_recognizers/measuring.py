"""What is measured: mixtures, task vectors, shares of few examples, soups, pairs."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.claims.experiments.bagging import NUMBERS, TRIPLES
from benchmarks.claims.experiments.human_recognizers.models import (
    BAG,
    BASE,
    CHECKPOINTS,
    DUTCH,
    FRENCH,
    INGREDIENTS,
    ONE,
    SEEDS,
    SETS,
    Sets,
)
from benchmarks.claims.merging import cook_greedily, merge_tasks, soup_of
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.speech.recognizers import Recognizers
from benchmarks.claims.token_scores import TokenScores
from components.claims.systems.workbench import Model
from components.ensembling.token_level.learning.coefficients import fit_linear_weights
from components.models import resolve
from components.records import Utterance

MIXED, BAGS = "3 seeds mixed", "3 bags mixed"
LAST, MEAN = "5 checkpoints mixed", "mean of 5 checkpoints"
PAIRS = tuple(itertools.combinations(range(len(INGREDIENTS)), 2))
DRAWS = tuple(sorted(random.Random(7).sample(list(itertools.combinations(range(len(INGREDIENTS)), 3)), 10)))
"""Triples of ingredients, drawn once."""
SCALES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.4, 2.0)
CHOOSING = 30
"""Recordings of each language on which a scale is chosen."""
READ_OUT = 50
"""Recordings of each language that merged models transcribe."""
EXAMPLES, DRAWS_OF_EXAMPLES = 50, 21


def measure_mixtures(
    bench: Recognizers, outputs: Outputs, dutch: Mapping[str, Mapping[int, Path]], test: list[Utterance]
) -> None:
    """Nats and transcripts of single models, of triples, and of checkpoints."""
    nats: dict[str, dict[str, list[float]]] = {}

    def keep(system: str, n: int, models: Sequence[Model]) -> None:
        first, *others = (bench.score(model, test) for model in models)
        nats.setdefault(system, {})[str(n)] = first.mixed_with(*others).sentence_sums()
        texts = bench.transcribe(models, test)
        outputs.add_transcripts(DUTCH, test, system, n, texts, SETS[DUTCH][1], keep_texts=False)

    for single, mixture in ((ONE, MIXED), (BAG, BAGS)):
        for n in NUMBERS:
            keep(single, n, [dutch[single][n]])
            keep(mixture, n, [dutch[single][other] for other in TRIPLES[n - 1]])
    for n in SEEDS:
        checkpoints = [bench.work.checkpoint(f"nl-{n}", step) for step in CHECKPOINTS]
        keep(LAST, n, checkpoints)
        keep(MEAN, n, [soup_of(bench.work, dict(enumerate(checkpoints)), range(len(checkpoints)))])
    outputs.measurements["mixtures"] = nats


def measure_tasks(
    bench: Recognizers, outputs: Outputs, dutch: Mapping[int, Path], french: Mapping[int, Path], sets: Sets
) -> None:
    """Both task vectors together at every scale; the test sets at the scale that dev chose."""
    base = Path(resolve(BASE).path)
    dev = [parts["dev"][:CHOOSING] for parts in sets.values()]

    def on_dev(model: Model) -> float:
        return round(float(np.mean([mean_nats(bench, model, own) for own in dev])), 5)

    for seed in SEEDS:
        tuned = {DUTCH: dutch[seed], FRENCH: french[seed]}
        systems, curves = merge_tasks(bench.work, base, tuned, SCALES, on_dev)
        outputs.measurements[f"curves {seed}"] = curves
        outputs.measurements[f"tasks {seed}"] = {
            system: {name: bench.score(model, parts["test"]).sentence_sums() for name, parts in sets.items()}
            for system, model in systems.items()
        }
        for (system, model), (name, parts) in itertools.product(systems.items(), sets.items()):
            spoken = parts["test"][:READ_OUT]
            texts = bench.transcribe([model], spoken)
            outputs.add_transcripts(
                f"{name}, {READ_OUT}", spoken, system, seed, texts, SETS[name][1], keep_texts=False
            )


def measure_shares(
    bench: Recognizers, outputs: Outputs, dutch: Mapping[int, Path], french: Mapping[int, Path], sets: Sets
) -> None:
    """Shares of a Dutch and a French model, learned from draws of Dutch examples by EM."""
    pool, test = sets[DUTCH]["pool"], sets[DUTCH]["test"]
    rows = []
    for draw in range(DRAWS_OF_EXAMPLES):
        seed = SEEDS[draw % len(SEEDS)]
        members = dutch[seed], french[seed]
        known = [bench.score(model, pool) for model in members]
        drawn = np.random.default_rng(draw).permutation(len(pool))[:EXAMPLES]
        inside = np.isin(known[0].sentences, drawn)
        weights, _ = fit_linear_weights(torch.tensor(np.stack([own.nats[inside] for own in known])))
        first, second = (bench.score(model, test) for model in members)
        shares = np.log(weights.numpy())
        joint = np.logaddexp(first.nats + shares[0], second.nats + shares[1])
        rows.append(
            {
                "seed": seed,
                "weights": [round(w, 4) for w in weights.tolist()],
                "learned": TokenScores(joint, first.sentences).sentence_sums(),
                "equal": first.mixed_with(second).sentence_sums(),
            }
        )
    outputs.measurements["shares"] = rows


def measure_soups(bench: Recognizers, outputs: Outputs, models: Mapping[int, Path], sets: Sets) -> None:
    """Uniform and greedy soups of ten triples, in the domain and on French prompts."""
    dev = sets[DUTCH]["dev"]
    on_dev = [mean_nats(bench, model, dev) for model in models.values()]
    outputs.measurements["on dev"] = [round(value, 5) for value in on_dev]
    nats: dict[str, dict[str, list[float]]] = {}
    draws = []
    for triple in DRAWS:
        greedy = cook_greedily(bench.work, models, triple, lambda model: mean_nats(bench, model, dev))
        best = max(triple, key=on_dev.__getitem__)
        draw = {"best": [best], "uniform": sorted(triple), "greedy": greedy}
        draws.append(draw)
        for members in draw.values():
            model = soup_of(bench.work, models, members)
            nats[str(members)] = {
                name: bench.score(model, sets[name]["test"]).sentence_sums() for name in (DUTCH, FRENCH)
            }
    outputs.measurements["soups"] = {"draws": draws, "nats": nats}


def measure_pairs(
    bench: Recognizers, outputs: Outputs, models: Mapping[int, Path], test: list[Utterance]
) -> None:
    """Mean of weights and mean of probabilities of every two."""
    single = [bench.score(model, test) for model in models.values()]
    outputs.measurements["pairs"] = {
        "single": [scores.sentence_sums() for scores in single],
        "mean": [bench.score(soup_of(bench.work, models, pair), test).sentence_sums() for pair in PAIRS],
        "ensemble": [single[i].mixed_with(single[j]).sentence_sums() for i, j in PAIRS],
    }


def mean_nats(bench: Recognizers, model: Model, utterances: list[Utterance]) -> float:
    """Nats a token of transcripts."""
    return float(bench.score(model, utterances).nats.mean())
