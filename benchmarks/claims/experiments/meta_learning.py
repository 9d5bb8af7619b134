"""E14: a meta-learned start against a multilingual one, adapted to few pairs of a new language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems
from benchmarks.claims.workspace import FLICKR16, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.statistics.measuring import two_level
from components.claims.verdict import Measured
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.training.learners.learner import MakeLearner
from components.training.learners.meta_learner import MetaLearner
from components.training.meta_config import MetaConfig

TITLE = "Meta-learning: a new language from 100, 600 and 3,000 pairs"
QUESTION = """
A model of 2 + 2 layers learns English to French and German for 1,000 updates (26,000 pairs each), and goes on
for 300 updates on the same batches: as before, with one loss over both, or by Reptile, which moves to where a
few steps on either language lead. Both then learn Czech for 200 updates, from 100, 600 and 3,000 pairs whose
sentences they never saw. Does the meta-learned start make more of few pairs?
"""
SEEDS = (1, 2, 3)
LANGUAGE, SIZES = "cs", (100, 600, 3000)
TEST = f"{FLICKR16} {LANGUAGE}"
METHODS = {"joint": "multilingual start", "reptile": "meta-learned start (Reptile)"}
LEARNER = cast("MakeLearner", MetaLearner)
SHARED: dict[str, Any] = {
    "target_language": LANGUAGE,
    "num_layers": 2,
    "dropout": 0.1,
    "batch_tokens": 1500,
    "average_checkpoints": 1,
}
BEFORE: dict[str, Any] = {"kind": "meta", "limit": max(SIZES)}
TASKS = [
    {"data": "multi30k:train", "target_language": language, "skip": max(SIZES)} for language in ("fr", "de")
]
START: dict[str, Any] = {
    **SHARED,
    **BEFORE,
    "meta": {"method": "joint", "tasks": TASKS},
    "vocab_size": 4000,
    "max_steps": 1000,
    "eval_every": 250,
}
GO_ON: dict[str, Any] = {
    **SHARED,
    **BEFORE,
    "max_steps": 300,
    "eval_every": 100,
    "learning_rate": 5e-4,
    "warmup_steps": 20,
    "lr_schedule": "linear",
}
ADAPT: dict[str, Any] = {
    **SHARED,
    "max_steps": 200,
    "eval_every": 50,
    "eval_sentences": 200,
    "learning_rate": 1e-3,
    "warmup_steps": 10,
    "lr_schedule": "linear",
}


def train_models(work: Workspace, seed: int) -> dict[tuple[str, int], Path]:
    """Adapted models of one seed by method and number of pairs."""
    start = work.train(f"meta-{seed}", learner=LEARNER, config=MetaConfig, seed=seed, **START)
    models = {}
    for method in METHODS:
        name = f"meta-{seed}-{method}"
        meta = {"method": method, "tasks": TASKS, "inner_learning_rate": 0.1}
        settings = {**GO_ON, "meta": meta, "seed": seed, "init_from": str(start)}
        before = work.train(name, learner=LEARNER, config=MetaConfig, **settings)
        for size in SIZES:
            adapt = {**ADAPT, "limit": size, "seed": seed, "init_from": str(before)}
            models[method, size] = work.train(f"{name}-{size}", **adapt)
    return models


def run(work: Workspace, outputs: Outputs, seeds: Sequence[int] = SEEDS) -> None:
    """Train, adapt, translate."""
    utterances = work.utterances(FLICKR16, ("en", LANGUAGE))
    for seed in seeds:
        for (method, size), model in train_models(work, seed).items():
            texts = work.translate(utterances, [model])
            outputs.add_translations(
                TEST,
                utterances,
                system_of(method, size),
                seed,
                texts,
                LANGUAGE,
                keep_texts=seed == SEEDS[0],
            )


def system_of(method: str, size: int) -> str:
    """A system's name in the outputs."""
    return f"{METHODS[method]}, {size:,} pairs"


def _tables(outputs: Outputs, method: str, size: int) -> list[CorpusStatistics]:
    return [outputs.statistics(TEST, system_of(method, size), seed) for seed in SEEDS]


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparison."""
    arms = (system_of(method, 600) for method in ("reptile", "joint"))
    return {"meta_learning.few_pairs": compare_systems(outputs, TEST, *arms, SEEDS)}


def page(outputs: Outputs) -> list[str]:
    """BLEU by method and number of pairs, and the difference at each."""
    rows = []
    for size in SIZES:
        cells = []
        for method in METHODS:
            scores = [table.score() for table in _tables(outputs, method, size)]
            cells.append(f"{np.mean(scores):.2f} ({', '.join(f'{x:.1f}' for x in scores)})")
        test = two_level(_tables(outputs, "reptile", size), _tables(outputs, "joint", size))
        low, high = test.interval
        rows.append((f"{size:,}", *cells, f"{test.difference:+.2f} ({low:+.1f} to {high:+.1f})"))
    columns = ("pairs", *METHODS.values(), "difference (95%)")
    title = f"## BLEU on {FLICKR16}, English to Czech, beam 5: mean (seed by seed)"
    return [title, markdown_table(columns, rows)]
