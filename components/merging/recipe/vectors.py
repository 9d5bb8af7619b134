"""Task vectors by name in a recipe of ``task_arithmetic``: models ``{model: B, minus: A, scale: -0.3}``.

The sum ``base + scale * (B - A) + ...`` is written out as the weighted sum of models that it is, so that what
cancels does so before anything is computed. ``minus`` is the base where it is left out; ``{vector: node:NAME,
scale: 0.5}`` is what a node of kind ``task_vector`` holds, ``{vector: store:KEY}`` one of a finished run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from components.merging.recipe.parameters import Setting
from components.merging.recipe.recipe import InputSlice, OutputModule, OutputSlice, Recipe, Vector
from components.merging.recipe.yaml_node import YamlNode

METHOD = "task_arithmetic"
KEYS = {"minus", "scale", "vector"}
"""Keys of a model of a recipe that make it a task vector."""


def has_vectors(values: Mapping[str, YamlNode]) -> bool:
    """Return whether a recipe names task vectors among its models."""
    models: Any = values["models"].value if "models" in values else None
    return isinstance(models, list) and any(isinstance(item, dict) and KEYS & set(item) for item in models)


def read_vectors(top: YamlNode, values: Mapping[str, YamlNode]) -> tuple[Vector, ...]:
    """Read the task vectors of a recipe that has some.

    Raises:
        MergeError: There is no base, the method is another one, or an entry is no vector.
    """
    if "base_model" not in values or values["merge_method"].value != METHOD:
        raise top.error(f"expected merge_method {METHOD} and a base_model that task vectors are added to")
    if "parameters" in values:
        raise values["parameters"].error("parameters have no meaning beside task vectors: set their scale")
    base = values["base_model"].text()
    return tuple(_read_vector(node, base) for node in values["models"].items())


def _read_vector(node: YamlNode, base: str) -> Vector:
    values = node.mapping(("model", "minus", "vector", "scale"))
    if ("model" in values) == ("vector" in values) or ("vector" in values and "minus" in values):
        raise node.error("expected {model, minus, scale} or {vector: node:NAME, scale}")
    scale = values["scale"].scalar() if "scale" in values else 1.0
    if isinstance(scale, bool | str) or not math.isfinite(scale):
        raise values["scale"].error(f"expected a finite number, found {scale!r}")
    if "vector" in values:
        name = values["vector"].text()
        if not name.startswith(("node:", "store:")):
            raise values["vector"].error(
                f"expected node:NAME or store:KEY, what a node of kind task_vector made, found {name!r}"
            )
        return Vector(name, None, float(scale))
    minus = values["minus"].text() if "minus" in values else base
    return Vector(values["model"].text(), minus, float(scale))


def sum_vectors(recipe: Recipe, factor: float = 1.0) -> Recipe:
    """Return a recipe of task vectors with its sum written out, all scales times ``factor``.

    What nodes hold is left out until :func:`fill_vectors` has named it.
    """
    base = str(recipe.base_model)
    sums = {base: 0.0}  # the base is named first: the output has its configuration
    for vector in recipe.vectors:
        if vector.minus is not None:
            scale = factor * vector.scale
            sums[vector.model] = sums.get(vector.model, 0.0) + scale
            sums[vector.minus] = sums.get(vector.minus, 0.0) - scale
    sums[base] += 1.0
    terms = {model: weight for model, weight in sums.items() if weight or model == base}

    def constant(value: float | bool) -> Setting:
        return Setting(((None, (value,)),), recipe.where)

    inputs = tuple(InputSlice(model, None, {"weight": constant(weight)}) for model, weight in terms.items())
    slices = (OutputSlice(inputs, None, {}, recipe.where),)
    return recipe._replace(
        method="linear",
        modules={"": OutputModule(slices, {})},
        parameters={"normalize": constant(False)},
    )


def held_vectors(recipe: Recipe) -> tuple[str, ...]:
    """Return the names of the vectors of a recipe, or of a stage of it, that nodes hold."""
    vectors = [vector for stage in (*recipe.stages, recipe) for vector in stage.vectors]
    return tuple(dict.fromkeys(vector.model for vector in vectors if vector.minus is None))


def fill_vectors(recipe: Recipe, known: Mapping[str, tuple[str, str]]) -> Recipe:
    """Return the recipe with the models of the vectors that nodes hold.

    Args:
        recipe: of task vectors.
        known: their names -> the fine-tuned model and what it was fine-tuned from.
    """
    vectors = tuple(
        vector if vector.minus is not None else Vector(*known[vector.model], vector.scale)
        for vector in recipe.vectors
    )
    stages = tuple(fill_vectors(stage, known) for stage in recipe.stages)
    filled = recipe._replace(vectors=vectors, stages=stages)
    return sum_vectors(filled) if vectors else filled
