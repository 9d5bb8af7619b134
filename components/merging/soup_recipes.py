"""Uniform soups (Wortsman et al. 2022): the plain mean of models that descend from one, as a recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence

from components.errors import MergeError
from components.merging.recipe.reader import parse_recipe
from components.merging.recipe.recipe import Recipe


def uniform_soup(models: Sequence[str]) -> Recipe:
    """Return the recipe of the plain mean of models.

    Raises:
        MergeError: There is none, or one is named twice.
    """
    if not models:
        raise MergeError("expected at least one model to average, found none")
    if len(set(models)) != len(models):
        raise MergeError(f"expected every model once, found {', '.join(models)}")
    lines = ["merge_method: linear", "parameters: {normalize: true}", "models:"]
    quoted = [json.dumps(model, ensure_ascii=False) for model in models]
    lines += [f"  - model: {model}\n    parameters: {{weight: 1.0}}" for model in quoted]
    return parse_recipe("\n".join(lines) + "\n", "soup")
