"""Merged models of an experiment: made once, and scored on val where one is chosen among many."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.claims.workspace import DEV, Workspace
from components.claims.selection import choose_on_grid
from components.claims.systems.workbench import Model, digest_of
from components.merging.config import VERSION as MERGING_VERSION
from components.merging.merge import merge
from components.merging.recipe.reader import parse_recipe
from components.merging.recipe.recipe import Recipe
from components.merging.soup_recipes import uniform_soup
from components.merging.soups import greedy_soup
from components.metrics.statistics.corpus_statistics import text_statistics
from components.translation.config import VERSION as TRANSLATION_VERSION

VECTOR_METHODS: Mapping[str, tuple[str, dict[str, float]]] = {
    "addition": ("task_arithmetic", {}),
    "TIES": ("ties", {"density": 0.2}),
}
"""Ways to put task vectors together: method and parameters of a recipe."""
SENTENCES = 200
"""Sentences of val on which a merged model is chosen."""
SHORT_TUNING: Mapping[str, Any] = {
    "batch_tokens": 600,
    "max_steps": 60,
    "eval_every": 60,
    "eval_sentences": 8,
    "average_checkpoints": 1,
    "warmup_steps": 10,
    "lr_schedule": "linear",
}
"""Settings of fine-tunings whose weights are merged."""


def vector_recipe(
    method: str, base: Path, tuned: Sequence[Path], scale: float, **parameters: float
) -> Recipe:
    """The recipe of ``base`` plus ``scale`` times what ``method`` makes of the task vectors (weights 1)."""
    settings = {"weight": 1.0, "lambda": scale, **parameters}
    models = [{"model": str(folder)} for folder in tuned]
    content = {"merge_method": method, "base_model": str(base), "parameters": settings, "models": models}
    return parse_recipe(json.dumps(content))  # JSON is YAML


def merged(work: Workspace, recipe: Recipe) -> Path:
    """The merged model."""
    digest = hashlib.sha256(_key_of(recipe).encode()).hexdigest()[:24]
    return work.make(f"merged-{digest}", lambda folder: merge(recipe, folder))


def soup_of(work: Workspace, models: Mapping[int, Path], members: Sequence[int]) -> Path:
    """The mean of some of the models, by their numbers; of one, that model."""
    if len(members) == 1:
        return models[members[0]]
    return merged(work, uniform_soup([str(models[n]) for n in sorted(members)]))


def cook_greedily(
    work: Workspace, models: Mapping[int, Path], members: Sequence[int], on_dev: Callable[[Model], float]
) -> list[int]:
    """The numbers of the models that a greedy search over ``members`` leaves in its soup, sorted."""
    numbers = {str(models[n]): n for n in sorted(members)}
    digest = hashlib.sha256("".join(map(digest_of, numbers)).encode()).hexdigest()[:24]
    soup = greedy_soup(list(numbers), on_dev, work.folder / "made" / f"greedy-{digest}")
    return sorted(numbers[model] for model in soup.ingredients)


def merge_tasks(
    work: Workspace,
    base: Path,
    tuned: Mapping[str, Path],
    scales: Sequence[float],
    on_dev: Callable[[Model], float],
) -> tuple[dict[str, Model], dict[str, list[list[float]]]]:
    """Specialists, and what :data:`VECTOR_METHODS` make of them at the scale that dev prefers.

    Returns:
        The systems by name, and what was tried: a way -> (scale, score on dev); ``specialists`` by number.
    """
    systems: dict[str, Model] = {"base": base, **tuned}
    vectors = list(tuned.values())
    curves = {"specialists": [[n, on_dev(model)] for n, model in enumerate(vectors)]}
    for system, (method, parameters) in VECTOR_METHODS.items():
        recipes = {scale: vector_recipe(method, base, vectors, scale, **parameters) for scale in scales}
        by_scale = {scale: merged(work, recipe) if scale else base for scale, recipe in recipes.items()}
        curves[system] = [[scale, on_dev(model)] for scale, model in by_scale.items()]
        systems[system] = by_scale[choose_on_grid(curves[system])]
    systems["mean of both"] = merged(work, vector_recipe("task_arithmetic", base, vectors, 0.5))
    return systems, curves


def dev_scores(
    work: Workspace, model: Model, languages: Sequence[str] = ("de",), sentences: int = SENTENCES
) -> list[float]:
    """Greedy BLEU of a model on the first sentences of val, by target language."""
    scores = []
    for language in languages:
        utterances = work.utterances(DEV, ("en", language), sentences)
        texts = work.translate(utterances, [model], beam_size=1)
        references = {u.id: u.references for u in utterances}
        tables = text_statistics(
            references, texts, language=language, n_total=len(references), names=("bleu",)
        )
        scores.append(tables["bleu"].score())
    return scores


def dev_scores_of_recipe(work: Workspace, recipe: Recipe, languages: Sequence[str] = ("de",)) -> list[float]:
    """The same of a model that is merged for that and not kept."""

    def measure() -> list[float]:
        with TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            merge(recipe, model)
            return dev_scores(work, model, languages)

    what = [_key_of(recipe), TRANSLATION_VERSION, DEV, SENTENCES, list(languages)]
    return list(work.cached({"dev scores of a merged model": what}, measure))


def _key_of(recipe: Recipe) -> str:
    """All that decides a merged model: the recipe with digests for the models' folders."""
    text = recipe.text
    for model in sorted(recipe.models, key=len, reverse=True):
        text = text.replace(model, digest_of(model))
    return f"{MERGING_VERSION} {text}"
