"""E6: two trainings that part after some updates: from when on can their weights be averaged?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.claims.experiments.seeds import TRAINING, train_seeds
from benchmarks.claims.merging import dev_scores, merged
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import score_table
from benchmarks.claims.workspace import FLICKR16, Model, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.measuring import by_metrics, two_level
from components.claims.verdict import Measured
from components.merging.io.model_folder import ModelFolder
from components.merging.soup_recipes import uniform_soup
from components.merging.weight_similarity import compare_weights
from components.metrics.statistics.corpus_statistics import CorpusStatistics
from components.training.config import TrainingConfig
from components.training.learners.translation_learner import PairLearner, TranslationLearner
from components.training.loop.checkpoint import checkpoint_folder, list_checkpoints

TITLE = "Trainings that fork: how much training must two models share to be averaged?"
QUESTION = """
One training is forked before its first update, after 100, 300 and 1,000 updates: two children go on from the
same weights and state of the optimizer for 600 updates in different orders of the data (and, from update 0,
with different dropout).
Is the mean of the children's weights a model? Random weights that both children start from (fork 0) are a
common initialization; is that enough, or is common training needed? The ensemble of the two, which needs
nothing in common, is the yardstick.
"""
SEEDS = (1, 2, 3)
METRICS = ("bleu", "chrf")
FORKS = (0, 100, 300, 1000)
CHILDREN = (1, 2)
UPDATES = 600
CHILD: dict[str, Any] = {**TRAINING, "average_checkpoints": 1, "keep_checkpoints": 1}
"""Settings of a child: as its parent's. Its last checkpoint is taken, no mean of several and no best one."""
SENTENCES = 500
SYSTEMS = ("better child", "mean", "ensemble")


def train_children(work: Workspace, seed: int, fork: int) -> list[Path]:
    """Both children of a fork of the training of ``seed``."""
    names = [f"fork-{seed}-{fork}-{child}" for child in CHILDREN]
    settings = {**CHILD, "max_steps": fork + UPDATES}
    if fork == 0:
        settings["init_from"] = str(_initial_weights(work, seed))
    else:
        parent = _train_parent(work, seed, fork)
        for name in names:
            _copy_checkpoints(parent, work.folder / "models" / name, fork)
    for child, name in zip(CHILDREN, names, strict=True):
        work.train(name, seed=100 * seed + child, **settings)
    return [work.checkpoint(name, fork + UPDATES) for name in names]


def _initial_weights(work: Workspace, seed: int) -> Path:
    """The random weights that the training of ``seed`` begins with."""

    def build(folder: Path) -> None:
        config = TrainingConfig.model_validate({**TRAINING, "seed": seed, "limit": 100, "device": "cpu"})
        with TemporaryDirectory() as scratch:
            learner = TranslationLearner(config, Path(scratch), torch.device("cpu"))
            PairLearner.export(learner, folder)  # without a record of its domain: it cannot translate yet

    return work.make(f"initial-{seed}", build)


def _train_parent(work: Workspace, seed: int, fork: int) -> Path:
    """The folder of a training that has a checkpoint at ``fork``: the zoo keeps those from 500 on."""
    if fork >= TRAINING["max_steps"] - TRAINING["eval_every"] * (TRAINING["keep_checkpoints"] - 1):
        return train_seeds(work, (seed,))[seed].parent
    last = max(f for f in FORKS if f < 500)
    return work.train(f"zoo-{seed}-to-{last}", seed=seed, **{**TRAINING, "max_steps": last}).parent


def _copy_checkpoints(parent: Path, child: Path, fork: int) -> None:
    """Let ``child`` go on from the parent's checkpoint at ``fork``: a training resumes the last one."""
    if (child / "checkpoints").exists():
        return
    for checkpoint in list_checkpoints(parent / "checkpoints"):
        if checkpoint <= checkpoint_folder(parent / "checkpoints", fork):
            copytree(checkpoint, child / ".checkpoints" / checkpoint.name, dirs_exist_ok=True)
    (child / ".checkpoints").rename(child / "checkpoints")


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, average, mix, translate."""
    utterances = work.utterances(FLICKR16)
    for seed in SEEDS:
        for fork in FORKS:
            children = train_children(work, seed, fork)
            scores = [dev_scores(work, child, sentences=SENTENCES)[0] for child in children]
            mean = merged(work, uniform_soup([str(child) for child in children]))
            better = children[int(np.argmax(scores))]
            systems: dict[str, Sequence[Model]] = dict(
                zip(SYSTEMS, ([better], [mean], children), strict=True)
            )
            for system, models in systems.items():
                texts = work.translate(utterances, models)
                name = system_at(system, fork)
                outputs.add_translations(FLICKR16, utterances, name, seed, texts, metrics=METRICS)
            outputs.measurements[f"cosine {seed} {fork}"] = round(_cosine(children), 4)


def _cosine(children: Sequence[Path]) -> float:
    """Cosine of the weights of two models: 1 of equal ones, about 0 of unrelated ones."""
    with ModelFolder(children[0], "first") as first, ModelFolder(children[1], "second") as second:
        similarity = compare_weights(second, first)
    return similarity.median if similarity else 0.0


def system_at(system: str, fork: int) -> str:
    """A system's name in the outputs."""
    return f"{system}, forked at {fork:,}"


def results(outputs: Outputs) -> dict[str, Measured]:
    """The registered comparisons."""
    return {
        f"common_training.fork_{fork}": by_metrics(
            METRICS,
            lambda metric, fork=fork: two_level(
                *(_tables(outputs, system, fork, metric) for system in ("mean", "better child"))
            ),
        )
        for fork in (0, 1000)
    }


def page(outputs: Outputs) -> list[str]:
    """BLEU by fork, seed by seed, and how alike the weights are."""
    rows = []
    for fork in FORKS:
        scores = {
            system: [outputs.statistics(FLICKR16, system_at(system, fork), s).score() for s in SEEDS]
            for system in SYSTEMS
        }
        cells = [f"{np.mean(v):.2f} ({', '.join(f'{x:.1f}' for x in v)})" for v in scores.values()]
        cosines = [outputs.measurements[f"cosine {seed} {fork}"] for seed in SEEDS]
        lost = two_level(*(_tables(outputs, system, fork) for system in ("mean", "ensemble")))
        low, high = lost.interval
        rows.append(
            (
                f"{fork:,}",
                *cells,
                f"{lost.difference:+.2f} ({low:+.1f} to {high:+.1f})",
                f"{np.mean(cosines):.3f}",
            )
        )
    header = ("forked at", *SYSTEMS, "mean less ensemble (95%)", "cosine of the children's weights")
    return [
        f"## BLEU by the update of the fork ({FLICKR16}, beam 5)",
        "",
        f"Mean over {len(SEEDS)} seeds (seed by seed). The better child is the one with the higher BLEU on "
        f"{SENTENCES} sentences of val.",
        "",
        markdown_table(header, rows),
        "",
        "## Scores",
        "",
        score_table(outputs, FLICKR16, ("bleu",)),
    ]


def _tables(outputs: Outputs, system: str, fork: int, metric: str = "bleu") -> list[CorpusStatistics]:
    return [outputs.statistics(FLICKR16, system_at(system, fork), seed, metric) for seed in SEEDS]
