"""E3: seven seeds, what their ensembles gain, and what checkpoints of one training gain instead."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_sections
from benchmarks.claims.workspace import DEV, FLICKR16, FLICKR17, PACKAGED, Workspace
from components.claims.selection import best_on_dev
from components.claims.verdict import Measured

TITLE = "Ensembles of seeds and of checkpoints"
QUESTION = """
Seven trainings that differ in their seed alone (1,500 updates on Multi30k's 29,000 pairs, English to
German, 3 + 3 layers, width 256; the mean of the last five checkpoints or the best one, as val prefers).
What do three of them, mixed at every token, gain over the best of the three, chosen on val? Do
checkpoints of one training do the same for less?
"""
SEEDS = (1, 2, 3, 4, 5, 6, 7)
TESTS = (FLICKR16, FLICKR17)
LAST = (1100, 1200, 1300, 1400, 1500)
TRAINING: dict[str, Any] = {
    "tokenizer": PACKAGED,
    "max_steps": 1500,
    "eval_every": 100,
    "eval_sentences": 200,
    "average_checkpoints": 5,
    "keep_checkpoints": 11,
}
"""Settings of each seed; checkpoints from update 500 on are kept."""


def train_seeds(work: Workspace, seeds: Sequence[int] = SEEDS) -> dict[int, Path]:
    """The models of ``seeds``."""
    return {seed: work.train(f"zoo-{seed}", seed=seed, **TRAINING) for seed in seeds}


def draw_triples(count: int = 10) -> list[tuple[int, ...]]:
    """The triples of seeds that are mixed, drawn once."""
    return sorted(random.Random(20).sample(list(itertools.combinations(SEEDS, 3)), count))


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, mix, decode; single models, triples, sizes and checkpoints."""
    models = train_seeds(work)
    for data in (DEV, *TESTS):
        utterances = work.utterances(data)
        for seed, model in models.items():
            texts = work.translate(utterances, [model])
            outputs.add_translations(data, utterances, "one seed", seed, texts)
    for data in TESTS:
        utterances = work.utterances(data)
        for number, triple in enumerate(draw_triples(), 1):
            members = [models[seed] for seed in triple]
            for system, mixing in (("triple, linear", {}), ("triple, log-linear", {"method": "log_linear"})):
                texts = work.translate(utterances, members, mixing=mixing or None)
                outputs.add_translations(data, utterances, system, number, texts)
    outputs.measurements["triples"] = [list(triple) for triple in draw_triples()]
    _run_checkpoints(work, outputs, models)
    _run_sizes(work, outputs, models)


def _run_checkpoints(work: Workspace, outputs: Outputs, models: Mapping[int, Path]) -> None:
    utterances = work.utterances(FLICKR16)
    for seed in (1, 2, 3):
        checkpoints = [work.checkpoint(f"zoo-{seed}", step) for step in LAST]
        systems: dict[str, list[Path]] = {
            "last checkpoint": [checkpoints[-1]],
            "5 checkpoints": checkpoints,
            "5 seeds": [models[(seed + offset - 1) % 7 + 1] for offset in range(5)],
        }
        for system, members in systems.items():
            texts = work.translate(utterances, members)
            outputs.add_translations(FLICKR16, utterances, system, seed, texts)


def _run_sizes(work: Workspace, outputs: Outputs, models: Mapping[int, Path]) -> None:
    utterances = work.utterances(FLICKR16)
    for size in range(2, len(SEEDS) + 1):
        texts = work.translate(utterances, [models[seed] for seed in SEEDS[:size]])
        outputs.add_translations(FLICKR16, utterances, f"seeds 1 to {size}", 0, texts)


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons."""
    triples: list[list[int]] = outputs.measurements["triples"]
    on_val = {seed: outputs.statistics(DEV, "one seed", seed).score() for seed in SEEDS}
    best = [best_on_dev({seed: on_val[seed] for seed in triple}) for triple in triples]
    numbers, over = range(1, len(triples) + 1), {"replicates": "triples of 7 seeds", "members": triples}
    of_triples = partial(compare_systems, outputs, TESTS, "triple, linear", seeds=numbers, **over)
    compare = partial(compare_systems, outputs, FLICKR16, seeds=(1, 2, 3))
    return {
        "ensembling.triple_against_best": of_triples([("one seed", seed) for seed in best]),
        "or_and.alike": of_triples("triple, log-linear"),
        "checkpoints.against_mean": compare("5 checkpoints", "one seed"),
        "checkpoints.against_last": compare("5 checkpoints", "last checkpoint"),
        "checkpoints.seeds_against_checkpoints": compare("5 seeds", "5 checkpoints"),
    }


def page(outputs: Outputs) -> list[str]:
    """Scores of all systems."""
    return score_sections(outputs, TESTS)
