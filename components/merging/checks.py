"""What is refused of a merge before a model is opened: its method, its parameters, its models' names."""

from __future__ import annotations

from components import models
from components.merging import parameters
from components.merging.naming import reference
from components.merging.recipe import Recipe


def check(recipe: Recipe, store: str | None) -> None:
    """Refuse what can be refused without fetching a model. MergeError, ModelError, ConfigError."""
    parameters.check(recipe)
    for model in recipe.models:
        models.check(reference(model, recipe), store)
