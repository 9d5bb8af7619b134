"""The fine-tunings of E5, the sets of six that are drawn of them, and their soups' ingredients."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.claims.experiments.seeds import train_seeds
from benchmarks.claims.merging import dev_scores
from benchmarks.claims.workspace import FLICKR16, FLICKR17, MSCOCO, Workspace
from components.merging.soups import greedy_soup
from components.perturbation.config import PerturbationConfig
from components.perturbation.text import perturb_text
from components.records import Utterance

START = 1, 1000
"""Seed and update of the model that is fine-tuned."""
NUMBERS = tuple(range(1, 13))
SENTENCES = 500
IN_DOMAIN, TYPOS = (FLICKR16, FLICKR17), f"{FLICKR16} with typos"
SHIFT = (MSCOCO, TYPOS)
SHARE_OF_TYPOS = 0.2
"""Share of words with one letter mistyped: about 5% of letters."""
TUNING: dict[str, Any] = {
    "max_steps": 300,
    "eval_every": 100,
    "eval_sentences": 200,
    "average_checkpoints": 1,
    "warmup_steps": 20,
    "lr_schedule": "linear",
}


def draw_settings(number: int) -> dict[str, Any]:
    """Learning rate, dropout, smoothing and seed of one fine-tuning."""
    rng = random.Random(f"soups {number}")
    return {
        "learning_rate": float(f"{10 ** rng.uniform(-3.6, -2.7):.2g}"),
        "dropout": rng.choice((0.1, 0.2, 0.3)),
        "label_smoothing": rng.choice((0.0, 0.05, 0.1, 0.2)),
        "seed": 500 + number,
    }


def draw_halves(splits: int = 15) -> list[tuple[int, ...]]:
    """Both halves of random splits of the fine-tunings: 30 sets of 6, each fine-tuning in 15 of them."""
    rng = random.Random(5)
    halves = []
    for _ in range(splits):
        shuffled = rng.sample(NUMBERS, len(NUMBERS))
        half = len(NUMBERS) // 2
        halves += [tuple(sorted(shuffled[:half])), tuple(sorted(shuffled[half:]))]
    return halves


def train_models(work: Workspace, numbers: Sequence[int] = NUMBERS) -> dict[int, Path]:
    """The fine-tunings of one checkpoint of a seed."""
    seed, step = START
    train_seeds(work, (seed,))
    start = str(work.checkpoint(f"zoo-{seed}", step))
    return {n: work.train(f"soup-{n}", init_from=start, **TUNING, **draw_settings(n)) for n in numbers}


def read_test_set(work: Workspace, data: str) -> list[Utterance]:
    """A test set; the one with typos is made here."""
    if data != TYPOS:
        return work.utterances(data)
    typos = PerturbationConfig(typos=SHARE_OF_TYPOS)
    return [
        u.model_copy(update={"text": perturb_text(u.text or "", typos, "en", u.id, seed=1)})
        for u in work.utterances(FLICKR16)
    ]


def cook(work: Workspace, models: Mapping[int, Path], members: Sequence[int]) -> dict[str, list[int]]:
    """The ingredients of the soups of ``members``, and the best single one, by BLEU on val."""
    numbers = {str(models[n]): n for n in members}
    with TemporaryDirectory() as folder:
        soup = greedy_soup(
            list(numbers), lambda model: dev_scores(work, model, sentences=SENTENCES)[0], Path(folder)
        )
    return {
        "uniform": list(members),
        "greedy": [numbers[model] for model in soup.ingredients],
        "best": [numbers[soup.trials[0].model]],
    }
