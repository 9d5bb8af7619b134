"""The models of E2: a multilingual base, its fine-tunings, and what is merged of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from benchmarks.claims.merging import dev_scores, dev_scores_of_recipe, merged, vector_recipe
from benchmarks.claims.outputs import Outputs
from benchmarks.claims.workspace import Workspace
from components.claims.selection import best_on_dev
from components.claims.systems.workbench import Model, digest_of
from components.experts.config import ExpertsConfig
from components.experts.multilingual_learner import MultilingualLearner
from components.merging.recipe.reader import parse_recipe

SEEDS = (1, 2, 3)
LANGUAGES = ("de", "fr", "cs")
FORGOTTEN, OTHERS = "cs", ("de", "fr")
SHAPE: dict[str, Any] = {
    "num_experts": 0,
    "ffn_dim": 512,
    "num_layers": 2,
    "vocab_size": 5000,
    "dropout": 0.1,
}
BASE: dict[str, Any] = {
    **SHAPE,
    "batch_tokens": 1200,
    "max_steps": 1500,
    "eval_every": 250,
    "eval_sentences": 150,
    "average_checkpoints": 3,
}
TUNING: dict[str, Any] = {
    **BASE,
    "max_steps": 300,
    "eval_every": 100,
    "average_checkpoints": 1,
    "learning_rate": 1e-4,
    "warmup_steps": 20,
    "lr_schedule": "linear",
}
JOINT: dict[str, Any] = {**TUNING, "max_steps": 900, "eval_every": 300}
"""Fine-tuning on all three languages at once, with the updates of the three together."""
SCALES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
METHODS: dict[str, tuple[str, dict[str, float], tuple[float, ...]]] = {
    "addition": ("task_arithmetic", {}, SCALES),
    "TIES": ("ties", {"density": 0.2}, SCALES),
    "DARE-TIES": ("dare_ties", {"density": 0.5}, SCALES),
    "DARE-linear": ("dare_linear", {"density": 0.5}, SCALES),
}
"""System -> merge method, its parameters, the scales that are tried; 0 is the base."""
NEGATIVE_SCALES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
ALLOWED_LOSS = 1.0
"""BLEU that German and French together may lose on val, on average, when Czech is subtracted."""


def train_models(work: Workspace, seed: int) -> dict[str, Path]:
    """Base, a fine-tuning on each language and one on all of them."""
    name = f"multilingual-{seed}"
    base = _train(work, name, seed=seed, **BASE)
    models = {"base": base}
    for language in LANGUAGES:
        settings = {**TUNING, "seed": seed, "init_from": str(base), "target_language": language}
        models[language] = _train(work, f"{name}-{language}", **settings)
    models["joint"] = _train(work, f"{name}-joint", seed=seed, init_from=str(base), **JOINT)
    return models


def _train(work: Workspace, name: str, **settings: Any) -> Path:
    return work.train(name, learner=MultilingualLearner, config=ExpertsConfig, **settings)


def score_single_and_slerp(work: Workspace, models: Mapping[str, Path]) -> dict[str, list[float]]:
    """BLEU on val, by language, of each fine-tuning and of the SLERP of each two, half way."""
    tuned = {
        x: merged(work, vector_recipe("task_arithmetic", models["base"], [models[x]], 1.0)) for x in LANGUAGES
    }
    scores = {f"fine-tuned on {x}": dev_scores(work, model, LANGUAGES) for x, model in tuned.items()}
    for a, b in combinations(LANGUAGES, 2):
        content = {"merge_method": "slerp", "base_model": str(tuned[a]), "parameters": {"t": 0.5}}
        recipe = parse_recipe(json.dumps(content | {"models": [{"model": str(tuned[b])}]}))
        scores[f"SLERP of {a} and {b}"] = dev_scores_of_recipe(work, recipe, LANGUAGES)
    return {system: [round(value, 2) for value in values] for system, values in scores.items()}


def subtract(work: Workspace, models: Mapping[str, Path], seed: int, outputs: Outputs) -> dict[str, Model]:
    """The base less the Czech vector, at the scale that val allows, and less the random one."""
    base, tuned = models["base"], models[FORGOTTEN]
    random = work.make(
        f"random-{seed}-{digest_of(base)[:8]}-{digest_of(tuned)[:8]}",
        lambda folder: write_random_vector(base, tuned, folder, seed),
    )
    recipes = {s: vector_recipe("task_arithmetic", base, [tuned], -s) for s in NEGATIVE_SCALES}
    scores = {s: dev_scores_of_recipe(work, recipe, LANGUAGES) for s, recipe in recipes.items()}
    scores[0.0] = dev_scores(work, base, LANGUAGES)
    scale = pick_negative_scale(scores) or min(filter(None, scores))
    outputs.measurements[f"negation {seed}"] = {
        "scale": scale,
        "curve": [[s, *(round(x, 2) for x in scores[s])] for s in sorted(scores)],
    }
    return {
        f"{FORGOTTEN} subtracted": merged(work, recipes[scale]),
        "random vector subtracted": merged(work, vector_recipe("task_arithmetic", base, [random], -scale)),
    }


def pick_negative_scale(scores: Mapping[float, Sequence[float]]) -> float | None:
    """The scale with the lowest Czech score among those at which the others lose little, if there is one.

    0.0 is the base.
    """
    others = [LANGUAGES.index(language) for language in OTHERS]
    means = {scale: np.mean([values[i] for i in others]) for scale, values in scores.items()}
    forgotten = LANGUAGES.index(FORGOTTEN)
    allowed = {
        s: values[forgotten] for s, values in scores.items() if s and means[s] >= means[0.0] - ALLOWED_LOSS
    }
    return best_on_dev(allowed, higher_is_better=False) if allowed else None


def write_random_vector(base: Path, tuned: Path, folder: Path, seed: int) -> None:
    """Write ``base`` plus noise that has in every tensor the norm of ``tuned - base``."""
    copytree(base, folder)
    generator = torch.Generator().manual_seed(seed)
    before, after = load_file(base / "model.safetensors"), load_file(tuned / "model.safetensors")
    for name, weight in before.items():
        change = (after[name] - weight).norm()
        noise = torch.randn(weight.shape, generator=generator)
        before[name] = weight + noise * (change / noise.norm())
    save_file(before, folder / "model.safetensors", metadata={"format": "pt"})
