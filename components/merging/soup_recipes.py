"""Means of models that descend from one, as recipes: checkpoints of a training, fine-tunings of one model.

Checkpoint averaging (Vaswani et al. 2017), exponential averaging, and uniform soups (Wortsman et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from components.errors import MergeError
from components.merging.recipe.reader import parse_recipe
from components.merging.recipe.recipe import Recipe


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


def _quote(model: str) -> str:
    return '"' + model.replace("\\", "\\\\").replace('"', '\\"') + '"'
