"""What is refused of a merge before a model is opened: its method, its parameters, its models' names."""

from __future__ import annotations

from components import models
from components.merging.methods import validation
from components.merging.recipe.model_names import reference_of
from components.merging.recipe.recipe import Recipe


def check_recipe(recipe: Recipe, store: str | None) -> None:
    """Refuse what can be refused without fetching a model. MergeError, ModelError, ConfigError."""
    validation.check_method(recipe)
    for model in recipe.models:
        models.check(reference_of(model, recipe), store)
