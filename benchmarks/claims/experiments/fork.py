"""E6: two trainings that part after some updates: from when on can their weights be averaged?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.claims.merging import merged
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.scoring import compare_systems, score_table
from benchmarks.claims.small_models import choosing_set, settings, train_small
from benchmarks.claims.token_scores import score_tokens
from benchmarks.claims.workspace import FLICKR16, Workspace
from benchmarks.common.tables import markdown_table
from components.claims.selection import best_on_dev
from components.claims.statistics.measuring import of_sums
from components.claims.systems.forced_scores import nats_per_token, sums_of_tokens
from components.claims.systems.workbench import Model
from components.claims.verdict import Measured, Result
from components.merging.io.model_folder import ModelFolder
from components.merging.soup_recipes import uniform_soup
from components.merging.weight_similarity import compare_weights
from components.metrics.statistics.seed_bootstrap import ItemSums
from components.training.config import TrainingConfig
from components.training.learners.translation_learner import PairLearner, TranslationLearner
from components.training.loop.checkpoint import checkpoint_folder, list_checkpoints

TITLE = "Trainings that fork: how much training must two models share to be averaged?"
QUESTION = """
One training (2 + 2 layers, 1,000 pieces an update) is forked before its first update, after 300 and after
1,000: two children go on from the same weights and state of the optimizer for 300 updates in different orders
of the data (and, from update 0, with different dropout).
Is the mean of the children's weights a model? Random weights that both children start from (fork 0) are a
common initialization; is that enough, or is common training needed? The ensemble of the two, which needs
nothing in common, is the yardstick.
"""
SEEDS = (1, 2, 3)
FORKS = (0, 300, 1000)
CHILDREN = (1, 2)
UPDATES = 300
SENTENCES, DECODED = 400, 200
SYSTEMS = ("better child", "mean", "ensemble")


def train_children(work: Workspace, seed: int, fork: int) -> list[Path]:
    """Both children of a fork of the training of ``seed``."""
    names = [f"fork-{seed}-{fork}-{child}" for child in CHILDREN]
    values = settings(work, max_steps=fork + UPDATES)
    if fork == 0:
        values["init_from"] = str(_initial_weights(work, seed))
    else:
        parent = _train_parent(work, seed, fork)
        for name in names:
            _copy_checkpoints(parent, work.folder / "models" / name, fork)
    for child, name in zip(CHILDREN, names, strict=True):
        work.train(name, seed=100 * seed + child, **values)
    return [work.checkpoint(name, fork + UPDATES) for name in names]


def _initial_weights(work: Workspace, seed: int) -> Path:
    """The random weights that the training of ``seed`` begins with."""

    def build(folder: Path) -> None:
        values = settings(work, seed=seed, limit=100, device="cpu")
        config = TrainingConfig.model_validate(values)
        with TemporaryDirectory() as scratch:
            learner = TranslationLearner(config, Path(scratch), torch.device("cpu"))
            PairLearner.export(learner, folder)  # without a record of its domain: it cannot translate yet

    return work.make(f"initial-{seed}", build)


def _train_parent(work: Workspace, seed: int, fork: int) -> Path:
    """The folder of a training that ends at ``fork``."""
    if fork == settings(work)["max_steps"]:
        return train_small(work, (seed,))[seed].parent
    values = settings(work, max_steps=fork, seed=seed)
    return work.train(f"small-{seed}-to-{fork}", **values).parent


def _copy_checkpoints(parent: Path, child: Path, fork: int) -> None:
    """Let ``child`` go on from the parent's checkpoint at ``fork``: a training resumes the last one."""
    if (child / "checkpoints").exists():
        return
    for checkpoint in list_checkpoints(parent / "checkpoints"):
        if checkpoint <= checkpoint_folder(parent / "checkpoints", fork):
            copytree(checkpoint, child / ".checkpoints" / checkpoint.name, dirs_exist_ok=True)
    (child / ".checkpoints").rename(child / "checkpoints")


def run(work: Workspace, outputs: Outputs) -> None:
    """Train, average, mix, score references; decode some sentences to see the sign."""
    test, choose = work.utterances(FLICKR16, limit=SENTENCES), choosing_set(work)
    for seed in SEEDS:
        for fork in FORKS:
            children = train_children(work, seed, fork)
            on_dev = {child: float(score_tokens(work, child, choose).nats.mean()) for child in children}
            mean = merged(work, uniform_soup([str(child) for child in children]))
            better = best_on_dev(on_dev)
            first, second = (score_tokens(work, child, test) for child in children)
            nats = (
                score_tokens(work, better, test),
                score_tokens(work, mean, test),
                first.mixed_with(second),
            )
            outputs.measurements[f"nats {seed} {fork}"] = {
                system: scores.sentence_sums() for system, scores in zip(SYSTEMS, nats, strict=True)
            }
            outputs.measurements["tokens"] = first.sentence_tokens()
            decoded: dict[str, Sequence[Model]] = {SYSTEMS[0]: [better], SYSTEMS[1]: [mean]}
            for system, models in decoded.items():
                texts = work.translate(test[:DECODED], models, beam_size=1)
                outputs.add_translations(FLICKR16, test[:DECODED], system_at(system, fork), seed, texts)
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
    measured = {}
    for fork in (FORKS[0], FORKS[-1]):
        arms = (system_at(system, fork) for system in ("mean", "better child"))
        texts = compare_systems(outputs, FLICKR16, *arms, SEEDS).by_metric
        by_metric = {"nats": _compare(outputs, fork, "mean", "better child")} | texts
        measured[f"common_training.fork_{fork}"] = Measured(by_metric=by_metric)
    return measured


def _compare(outputs: Outputs, fork: int, first: str, second: str) -> Result:
    tokens = outputs.measurements["tokens"]
    arms = (
        sums_of_tokens([outputs.measurements[f"nats {seed} {fork}"][system] for seed in SEEDS], tokens)
        for system in (first, second)
    )
    return of_sums(ItemSums(nats_per_token, *arms), f"{len(SEEDS)} seeds x {len(tokens)} sentences")


def page(outputs: Outputs) -> list[str]:
    """Nats by fork, seed by seed, and how alike the weights are."""
    total, rows = sum(outputs.measurements["tokens"]), []
    for fork in FORKS:
        cells = []
        for system in SYSTEMS:
            values = [sum(outputs.measurements[f"nats {seed} {fork}"][system]) / total for seed in SEEDS]
            cells.append(f"{np.mean(values):.3f} ({', '.join(f'{x:.2f}' for x in values)})")
        cosines = [outputs.measurements[f"cosine {seed} {fork}"] for seed in SEEDS]
        lost = _compare(outputs, fork, "mean", "ensemble")
        low, high = lost.interval
        interval = f"{lost.difference:+.3f} ({low:+.3f} to {high:+.3f})"
        rows.append((f"{fork:,}", *cells, interval, f"{np.mean(cosines):.3f}"))
    header = ("forked at", *SYSTEMS, "mean less ensemble (95%)", "cosine of the children's weights")
    return [
        f"## Nats a token by the update of the fork ({FLICKR16})",
        f"Mean over {len(SEEDS)} seeds (seed by seed). The better child is the one that gives more to the "
        "references of 200 sentences of val.",
        markdown_table(header, rows),
        f"## Scores of {DECODED} sentences, greedy",
        score_table(outputs, FLICKR16),
    ]
