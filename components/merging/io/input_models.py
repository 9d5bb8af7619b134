"""The models that a recipe names: resolved, verified and opened for reading."""

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
    """Open every model of a recipe for the time of a ``with`` block.

    Args:
        recipe: names the models.
        store: folder or URL of the store that ``store:KEY`` refers to; None for the default.
        references: model references by name in the recipe, for names that mean something else there, as
            nodes of a pipeline.

    Yields:
        Folders to read from, and verified checkpoints, both by the models' names in the recipe.

    Raises:
        ModelError: A model is unknown, damaged or cannot be fetched.
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
