"""A node as it is written in a file, with other names for the nodes that it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.pipeline.pipeline import NODE

Names = Callable[[str], str]
"""Name of a node -> its other name."""


def rename_reads(values: Mapping[str, Any], name_of: Names, model_of: Names | None = None) -> dict[str, Any]:
    """Return a node that reads nodes of other names; in the body of a loop those outside of it.

    Args:
        values: the node.
        name_of: of what it names by ``of`` and ``when``.
        model_of: of what it names by ``node:NAME``; as ``name_of`` if not given.
    """
    model_of = model_of or name_of
    of, when, body = values.get("of"), values.get("when"), values.get("body")
    renamed = {key: _rename_models(value, model_of) for key, value in values.items()}
    if isinstance(of, str):
        renamed["of"] = name_of(of)
    elif isinstance(of, list | tuple):
        renamed["of"] = [name_of(str(name)) for name in of]
    if isinstance(when, str):
        route, dot, branch = when.partition(".")
        renamed["when"] = f"{name_of(route)}{dot}{branch}"
    if isinstance(body, Mapping):
        names = (_outside(body, name_of), _outside(body, model_of))
        parts = {part: inner for part, inner in body.items() if isinstance(inner, Mapping)}
        renamed["body"] = {**body, **{part: rename_reads(inner, *names) for part, inner in parts.items()}}
    return renamed


def names_of(renamed: Mapping[str, str]) -> Names:
    """Return the names of some nodes, old -> new; those of others stay."""
    return lambda name: renamed.get(name, name)


def _outside(body: Mapping[str, Any], name_of: Names) -> Names:
    return lambda name: name if name in body else name_of(name)


def _rename_models(value: Any, model_of: Names) -> Any:
    """Rename ``node:NAME`` wherever it stands in a setting."""
    if isinstance(value, str) and value.startswith(NODE):
        return f"{NODE}{model_of(value.removeprefix(NODE))}"
    return [_rename_models(item, model_of) for item in value] if isinstance(value, list | tuple) else value
