"""The models that a recipe names, resolved and opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from components.merging.folders import Folder
from components.merging.naming import reference
from components.merging.recipe import Recipe
from components.models import resolve
from components.records import Checkpoint

NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def opened(
    recipe: Recipe, store: str | None = None, made: Mapping[str, str] = NOTHING
) -> Iterator[tuple[dict[str, Folder], dict[str, Checkpoint]]]:
    """Every model of a recipe by its name there: opened folders and verified checkpoints. ModelError.

    ``made``: references of models by their names in the recipe, where these are no references themselves.
    """
    with ExitStack() as stack:
        checkpoints = {
            model: resolve(made.get(model) or reference(model, recipe), store) for model in recipe.models
        }
        folders = {
            model: stack.enter_context(Folder(Path(checkpoint.path), model))
            for model, checkpoint in checkpoints.items()
        }
        yield folders, checkpoints
