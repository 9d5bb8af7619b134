"""Checks that a recipe's method exists and has the parameters that the recipe sets."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from components.errors import MergeError
from components.merging.methods.table import METHODS
from components.merging.recipe.parameters import Parameter, Settings, coerce
from components.merging.recipe.recipe import Recipe

SEMANTICS = ("mergekit", "paper", "peft")


def check_method(recipe: Recipe) -> list[str]:
    """Check a recipe's method and parameters.

    Returns:
        One warning per parameter that the method does not have; like mergekit we ignore those.

    Raises:
        MergeError: There is no such method, a parameter looks misspelt, or a value has the wrong type.
    """
    method = METHODS.get(recipe.method)
    if method is None:
        near = difflib.get_close_matches(recipe.method, METHODS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise MergeError(
            f"{recipe.where}: no merge_method {recipe.method}; {hint}there are {', '.join(METHODS)}"
        )
    warnings: list[str] = []
    for settings in _all_settings(recipe):
        for name, setting in settings.items():
            if name not in method.parameters:
                warnings.append(_warn_unknown(name, setting.where, recipe.method, method.parameters))
                continue
            for _, values in setting.choices:
                for value in values:
                    coerce(value, method.parameters[name], setting.where)
                    if name == "semantics" and value not in SEMANTICS:
                        raise MergeError(
                            f"{setting.where}: expected one of {', '.join(SEMANTICS)}, found {value!r}"
                        )
    return warnings


def _all_settings(recipe: Recipe) -> list[Settings]:
    settings = [recipe.parameters]
    for module in recipe.modules.values():
        settings.append(module.parameters)
        for output_slice in module.slices:
            settings += [output_slice.parameters, *(source.parameters for source in output_slice.inputs)]
    return settings


def _warn_unknown(name: str, where: str, method: str, parameters: Mapping[str, Parameter]) -> str:
    near = difflib.get_close_matches(name, list(parameters), n=1, cutoff=0.75)
    if near:
        raise MergeError(f"{where}: {method} has no such parameter; did you mean {near[0]}?")
    return f"{where}: {method} has no parameter {name}; it is ignored"
