"""Checks of a merge recipe that need no model: its method, its parameters, its models' names."""

from __future__ import annotations

from components import models
from components.errors import require_extra
from components.merging.methods.validation import check_method
from components.merging.recipe.adapters import read_adapter_settings
from components.merging.recipe.model_names import reference_of
from components.merging.recipe.recipe import Recipe
from components.merging.statistics.data_sets import DataSets, check_data


def check_recipe(recipe: Recipe, store: str | None, sets: DataSets | None = None) -> None:
    """Refuse what can be refused without fetching a model.

    Args:
        recipe: the recipe to check.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        sets: what the models are measured on; None where that is not known yet.

    Raises:
        MergeError: The method does not exist, a parameter or its value is wrong, or the method and the data
            sets do not go together.
        ModelError: A model's name is unknown, or its licence asks for consent.
        ConfigError: A model's name is no reference, or PEFT is not installed, which merges adapters.
    """
    for stage in (*recipe.stages, recipe):
        if stage.adapters:
            require_extra("adapters: merging them with each other", "peft", "adapters")
            read_adapter_settings(stage)
        else:
            check_method(stage)
    if sets is not None:
        check_data(recipe, sets)
    for model in recipe.sources:
        models.check(reference_of(model, recipe), store)
