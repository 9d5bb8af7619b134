"""Whether a recipe's method exists, and its parameters do."""

from __future__ import annotations

import difflib

from components.errors import MergeError
from components.merging.methods import METHODS
from components.merging.recipe import Recipe
from components.merging.settings import Parameter, Settings, typed

SEMANTICS = ("mergekit", "paper", "peft")


def check(recipe: Recipe) -> list[str]:
    """Warnings about parameters that the method does not have (mergekit ignores them, and so do we).

    Raises:
        MergeError: no such method; a parameter that looks like a slip of the pen; a value of a wrong type.
    """
    method = METHODS.get(recipe.method)
    if method is None:
        near = difflib.get_close_matches(recipe.method, METHODS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise MergeError(
            f"{recipe.where}: no merge_method {recipe.method}; {hint}there are {', '.join(METHODS)}"
        )
    warnings: list[str] = []
    for settings in _places(recipe):
        for name, setting in settings.items():
            if name not in method.parameters:
                warnings.append(_unknown(name, setting.where, recipe.method, method.parameters))
                continue
            for _, values in setting.choices:
                for value in values:
                    typed(value, method.parameters[name], setting.where)
                    if name == "semantics" and value not in SEMANTICS:
                        raise MergeError(
                            f"{setting.where}: expected one of {', '.join(SEMANTICS)}, found {value!r}"
                        )
    return warnings


def _places(recipe: Recipe) -> list[Settings]:
    found = [recipe.parameters]
    for part in recipe.parts.values():
        found.append(part.parameters)
        for cut in part.slices:
            found += [cut.parameters, *(source.parameters for source in cut.sources)]
    return found


def _unknown(name: str, where: str, method: str, known: dict[str, Parameter] | object) -> str:
    names = list(known) if isinstance(known, dict) else []
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    if near:
        raise MergeError(f"{where}: {method} has no such parameter; did you mean {near[0]}?")
    return f"{where}: {method} has no parameter {name}; it is ignored"
