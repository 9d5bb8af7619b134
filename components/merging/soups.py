"""Averages of models that descend from one: checkpoints of a training run, fine-tunings of one model.

Checkpoint averaging (Vaswani et al. 2017), exponential averaging, uniform and greedy soups (Wortsman et al.
2022). Scores that decide are on development data, never on test data. The functions give recipes;
:func:`components.merging.merge.merge` makes models of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from components.errors import MergeError
from components.merging.merge import MergeOptions, merge
from components.merging.recipe.reader import parse_recipe
from components.merging.recipe.recipe import Recipe

ScoreFunction = Callable[[str], float]
"""Scores a model, given by reference or folder, on development data; higher is better."""


def average_recipe(weights: Mapping[str, float], *, normalize: bool = True) -> Recipe:
    """Return the recipe of a weighted mean of models.

    Args:
        weights: each model's weight, by its reference or folder.
        normalize: whether the sum is divided by the sum of the weights.

    Raises:
        MergeError: There is no model, or a weight is not finite.
    """
    if not weights:
        raise MergeError("expected at least one model to average, found none")
    lines = ["merge_method: linear", f"parameters: {{normalize: {str(normalize).lower()}}}", "models:"]
    for model, weight in weights.items():
        if not math.isfinite(weight):
            raise MergeError(f"{model}: expected a finite weight, found {weight}")
        lines.append(f"  - model: {_quote(model)}\n    parameters: {{weight: {weight!r}}}")
    return parse_recipe("\n".join(lines) + "\n", "soup")


def uniform_soup(models: Sequence[str]) -> Recipe:
    """Return the recipe of the plain mean of models. Raises MergeError where one is named twice."""
    if len(set(models)) != len(models):
        raise MergeError(f"expected every model once, found {', '.join(models)}")
    return average_recipe(dict.fromkeys(models, 1.0))


def average_of_last(checkpoints: Sequence[str], count: int) -> Recipe:
    """Return the recipe of the plain mean of the last checkpoints of a run.

    Args:
        checkpoints: references or folders, oldest first.
        count: how many of the last are averaged.

    Raises:
        MergeError: There are not so many.
    """
    if not 1 <= count <= len(checkpoints):
        raise MergeError(f"expected 1 to {len(checkpoints)} checkpoints to average, found {count}")
    return uniform_soup(checkpoints[-count:])


def exponential_average(checkpoints: Sequence[str], decay: float) -> Recipe:
    """Return the recipe of the mean with weights 1, decay, decay² ... from the last checkpoint back.

    Args:
        checkpoints: references or folders, oldest first.
        decay: above 0 and at most 1.

    Raises:
        MergeError: The decay is out of range.
    """
    if not 0.0 < decay <= 1.0:
        raise MergeError(f"expected a decay above 0 and at most 1, found {decay}")
    return average_recipe({c: decay**age for age, c in enumerate(reversed(checkpoints))})


class SoupTrial(NamedTuple):
    """One trial of a greedy soup: the model added, the mean's score with it, and whether it is kept."""

    model: str
    score: float
    accepted: bool


class Soup(NamedTuple):
    """A greedy soup.

    Attributes:
        ingredients: the models that it is the mean of, in the order in which they were added.
        score: its development score.
        folder: where it lies; None where the only ingredient is a model as it was.
        trials: every trial, in order.
    """

    ingredients: tuple[str, ...]
    score: float
    folder: Path | None
    trials: tuple[SoupTrial, ...]


def greedy_soup(
    models: Sequence[str], score: ScoreFunction, work: Path, options: MergeOptions | None = None
) -> Soup:
    """Add models to a mean from the best to the worst; each stays unless the mean's score falls.

    Args:
        models: references or folders; of equally good ones the first is added first.
        score: scores a model on development data.
        work: trials are written to ``work/soup-N``.
        options: of each merge.

    Raises:
        MergeError: A model is named twice, or models cannot be averaged.
    """
    uniform_soup(models)  # refuses doubles
    scores = {model: score(model) for model in models}
    order = sorted(models, key=lambda model: -scores[model])
    ingredients, best, folder = [order[0]], scores[order[0]], None
    trials = [SoupTrial(order[0], best, accepted=True)]
    for number, model in enumerate(order[1:], start=2):
        out = work / f"soup-{number}"
        merge(uniform_soup([*ingredients, model]), out, options)
        trial_score = score(str(out))
        trials.append(SoupTrial(model, trial_score, accepted=trial_score >= best))
        if trial_score >= best:
            ingredients, best, folder = [*ingredients, model], trial_score, out
    return Soup(tuple(ingredients), best, folder, tuple(trials))


def _quote(model: str) -> str:
    return '"' + model.replace("\\", "\\\\").replace('"', '\\"') + '"'
