"""The models that a recipe names, resolved and opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from components.merging.io.model_folder import ModelFolder
from components.merging.recipe.model_names import reference_of
from components.merging.recipe.recipe import Recipe
from components.models import resolve
from components.records import Checkpoint

NO_REFERENCES: Mapping[str, str] = MappingProxyType({})


@contextmanager
def open_models(
    recipe: Recipe, store: str | None = None, references: Mapping[str, str] = NO_REFERENCES
) -> Iterator[tuple[dict[str, ModelFolder], dict[str, Checkpoint]]]:
    """Every model of a recipe by its name there: opened folders and verified checkpoints. ModelError.

    ``made``: references of models by their names in the recipe, where these are no references themselves.
    """
    with ExitStack() as stack:
        checkpoints = {
            model: resolve(references.get(model) or reference_of(model, recipe), store)
            for model in recipe.models
        }
        folders = {
            model: stack.enter_context(ModelFolder(Path(checkpoint.path), model))
            for model, checkpoint in checkpoints.items()
        }
        yield folders, checkpoints
