"""E3: seven seeds, what their ensembles gain, and what checkpoints of one training gain instead."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import of_sums, score_sections, two_level
from benchmarks.claims.verdict import Result
from benchmarks.claims.workspace import DEV, FLICKR16, FLICKR17, PACKAGED, Workspace
from benchmarks.common.seed_bootstrap import ItemSums
from benchmarks.common.tables import markdown_table
from components.compute import profiling
from components.compute.device import use_threads
from components.metrics.statistics.corpus_statistics import CorpusStatistics

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
    outputs.measurements["cost"] = work.cached(
        {"cost": [str(model) for model in models.values()], "memory": "sampled"},
        lambda: measure_cost(list(models.values())),
    )


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


def measure_cost(models: Sequence[Path], rounds: int = 12, sentences: int = 100) -> list[dict[str, float]]:
    """CPU seconds and peak memory (MB) of decoding by 1, 2, 4 and 7 members, each in a process of its own."""
    rows = []
    for number in range(rounds):
        for size in (1, 2, 4, 7):
            command = [sys.executable, "-m", __name__, str(sentences), *map(str, models[:size])]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, memory = map(float, done.stdout.split()[-2:])
            rows.append({"round": number, "members": size, "seconds": seconds, "megabytes": memory})
    return rows


def results(outputs: Outputs) -> dict[str, Result]:
    """The registered comparisons."""
    triples: list[list[int]] = outputs.measurements["triples"]
    on_val = {seed: outputs.statistics(DEV, "one seed", seed).score() for seed in SEEDS}
    best = [max(triple, key=on_val.__getitem__) for triple in triples]
    numbers = range(1, len(triples) + 1)
    linear = [outputs.joined(TESTS, "triple, linear", n) for n in numbers]
    log_linear = [outputs.joined(TESTS, "triple, log-linear", n) for n in numbers]
    singles = [outputs.joined(TESTS, "one seed", seed) for seed in best]
    few = (1, 2, 3)

    def of(system: str) -> list[CorpusStatistics]:
        return [outputs.statistics(FLICKR16, system, seed) for seed in few]

    costs = np.array(
        [
            [row["seconds"] for row in outputs.measurements["cost"] if row["members"] == size]
            for size in (7, 1)
        ]
    )
    ratio = ItemSums(lambda sums: sums[..., 0] / sums[..., 1], costs.T[None], np.ones_like(costs.T)[None])
    shared = "triples of 7 seeds"
    return {
        "ensembling.triple_against_best": two_level(linear, singles, replicates=shared),
        "cost.seconds_per_member": of_sums(ratio, f"{costs.shape[1]} interleaved rounds"),
        "or_and.alike": two_level(linear, log_linear, replicates=shared),
        "checkpoints.checkpoints_against_last": two_level(of("5 checkpoints"), of("last checkpoint")),
        "checkpoints.seeds_against_checkpoints": two_level(of("5 seeds"), of("5 checkpoints")),
    }


def page(outputs: Outputs) -> list[str]:
    """Scores of all systems, gain by size, cost by size."""
    lines = score_sections(outputs, TESTS)
    header = ("members", "CPU s (median of rounds)", "peak memory, MB")
    rows = []
    for size in (1, 2, 4, 7):
        own = [row for row in outputs.measurements["cost"] if row["members"] == size]
        seconds = sorted(row["seconds"] for row in own)[len(own) // 2]
        rows.append((str(size), f"{seconds:.1f}", f"{max(row['megabytes'] for row in own):.0f}"))
    return [*lines, "## Cost of decoding 100 sentences, beam 5", "", markdown_table(header, rows)]


if __name__ == "__main__":
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder, use_threads(1):
        work = Workspace(Path(folder))
        started = time.process_time()
        with profiling.measure_cost() as cost:  # ru_maxrss would be that of the process that started this one
            work.translate(work.utterances(FLICKR16, limit=int(sys.argv[1])), sys.argv[2:])
        print(time.process_time() - started, cost.peak_memory_bytes / 1e6)
