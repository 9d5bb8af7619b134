"""Recipes of several stages, as mergekit-multi reads them: YAML documents that name each other's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from components.errors import MergeError
from components.merging.recipe.recipe import Recipe


def split_documents(text: str) -> list[str]:
    """Split YAML at its ``---`` lines; every document begins with empty lines, so that line numbers stay."""
    documents: list[list[str]] = [[]]
    for number, line in enumerate(text.splitlines()):
        if line.rstrip() == "---":
            documents.append([""] * (number + 1))
        else:
            documents[-1].append(line)
    texts = ["\n".join(lines) + "\n" for lines in documents]
    return [document for document in texts if not _is_empty(document)] or [text]


def _is_empty(document: str) -> bool:
    return all(not line.strip() or line.lstrip().startswith("#") for line in document.splitlines())


def join_stages(recipes: Sequence[Recipe], text: str) -> Recipe:
    """Put the stages of a recipe in order: the result is that of the stage which no other reads.

    Args:
        recipes: the stages, in the order of the file.
        text: the whole file.

    Raises:
        MergeError: A stage has no name and is not the last, two have the same, they read each other in a
            circle, or more than one is read by no other.
    """
    by_name: dict[str | None, Recipe] = {}
    for recipe in recipes:
        if recipe.name in by_name:
            what = f"name {recipe.name} once" if recipe.name else "one stage without name"
            raise MergeError(f"{recipe.where}: expected {what}, found it twice")
        by_name[recipe.name] = recipe
    order = _sort(by_name)
    read = {model for recipe in recipes for model in recipe.models}
    results = [name for name in order if name not in read]
    if len(results) > 1:
        names = ", ".join(name or "the one without name" for name in results)
        raise MergeError(f"{recipes[0].where}: expected one stage that no other reads, found {names}")
    last = by_name[results[0]]
    stages = tuple(by_name[name] for name in order if name != results[0])
    warnings = tuple(line for recipe in recipes for line in recipe.warnings)
    return last._replace(stages=stages, text=text, name=None, warnings=warnings)


def _sort(by_name: Mapping[str | None, Recipe]) -> list[str | None]:
    needed = {name: [m for m in recipe.models if m in by_name] for name, recipe in by_name.items()}
    try:
        return list(TopologicalSorter(needed).static_order())
    except CycleError as error:
        circle = " -> ".join(str(name) for name in error.args[1])
        where = next(iter(by_name.values())).where
        raise MergeError(f"{where}: expected stages in an order, found a circle: {circle}") from None
