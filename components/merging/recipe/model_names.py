"""Model names of a recipe -> model references, as :mod:`components.models` resolves them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from components.merging.recipe.recipe import Recipe
from components.models.adapted_references import join_adapters, split_adapters
from components.models.references import is_scheme

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?", re.ASCII)


def reference_of(model: str, recipe: Recipe) -> str:
    """Turn a recipe's name of a model into a model reference.

    As in mergekit a path is relative to the current folder, or else to the recipe's; what is no path and
    looks like ORG/NAME is a repository of the hub. In MODEL+LORA this holds for each part.
    """
    base, adapters = split_adapters(model)
    if adapters:
        named = tuple(a._replace(reference=reference_of(a.reference, recipe)) for a in adapters)
        return join_adapters(reference_of(base, recipe), named)
    if ":" in model and is_scheme(model.partition(":")[0]):
        return model
    if os.path.exists(os.path.expanduser(model)):  # noqa: PTH110, PTH111 - as components.models does
        return model
    beside = Path(recipe.where).parent / model
    if os.path.exists(beside):  # noqa: PTH110
        return str(beside)
    return f"hub:{model}" if _HUB.fullmatch(model) else model
