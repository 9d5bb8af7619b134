"""From a YAML file and flags to checked flow parameters, with errors that name the line and the field."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from components.errors import ConfigError
from components.files.yaml_text import Places, parse_yaml
from components.text.suggestions import suggest
from flows.parameters.base import GRAPH_KEYS, check_no_secret
from flows.parameters.faults import check_values
from flows.parameters.pipeline_files import read_file, resolve_file_paths

P = TypeVar("P", bound=BaseModel)


def _names_of(assignment: str) -> list[str]:
    path, equals, _ = assignment.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"--set: expected name=value or stage.name=value, found {assignment!r}")
    return names


def _set_value(values: dict[str, Any], names: Sequence[str], assignment: str) -> None:
    """Apply ``a.b=value`` of a ``--set`` flag at the path ``names``; the value is YAML."""
    path, _, text = assignment.partition("=")
    target = values
    for name in names[:-1]:
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            raise ConfigError(f"--set {assignment}: {name} is not a group of parameters")
    target[names[-1]] = parse_yaml(text, f"--set {path}")[0]


def gather(
    model: type[P], file: Path | None, assignments: Sequence[str], shortcuts: Mapping[str, object]
) -> P:
    """Gather and check parameters; of two values the later one counts: file, shortcuts, ``--set``.

    Raises:
        ConfigError: anything unknown or out of bounds; every fault is named with its place.
    """
    values, places = gather_values(model, file, assignments, shortcuts)
    return check_values(model, values, file, places)


def gather_values(
    model: type[BaseModel], file: Path | None, assignments: Sequence[str], shortcuts: Mapping[str, object]
) -> tuple[dict[str, Any], Places]:
    """Return the values of file and flags before they are checked, and where each was set.

    ``--set NODE.SETTING`` sets a node of the file, as ``--set nodes.NODE.SETTING`` does.

    Raises:
        ConfigError: no YAML, a secret, or an assignment to what is neither a parameter nor a node.
    """
    _check_unicode([*assignments, *(value for value in shortcuts.values() if isinstance(value, str))])
    values, lines = read_file(file) if file is not None else ({}, {})
    flags = {name: value for name, value in shortcuts.items() if value is not None}
    if file is not None:
        values = resolve_file_paths({k: v for k, v in values.items() if k not in flags}, file)
    values |= flags
    places: dict[tuple[str, ...], int | str] = {(name,): f"--{name.replace('_', '-')}" for name in flags}
    for assignment in assignments:
        names = _node_path(model, values, _names_of(assignment))
        _set_value(values, names, assignment)
        places[tuple(names)] = f"--set {assignment.partition('=')[0].strip()}"
    check_no_secret(_names(values))
    below_flags = {path for path in lines if any(path[: len(flag)] == flag for flag in places)}
    return values, {**{path: line for path, line in lines.items() if path not in below_flags}, **places}


def _node_path(model: type[BaseModel], values: Mapping[str, Any], names: list[str]) -> list[str]:
    """The path that an assignment sets: one that begins with a node's name is that of the node's setting."""
    nodes, first = values.get("nodes"), names[0]
    if len(names) == 1 or not isinstance(nodes, dict):
        return names
    if first in {*model.model_fields, *values, *GRAPH_KEYS}:
        return names
    if first not in nodes:
        raise ConfigError(
            f"--set {'.'.join(names)}: expected NODE.SETTING of a node of the file or a parameter"
            f"{suggest(first, [*nodes, *model.model_fields])}"
        )
    return ["nodes", *names]


def _check_unicode(texts: Sequence[str]) -> None:
    """Refuse text that is not UTF-8 (a file name can be so), which a run's record could not hold."""
    for text in texts:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigError(f"expected UTF-8, found {os.fsencode(text)!r}; rename the file")


def _names(values: Mapping[str, Any]) -> list[str]:
    inner = [_names(value) for value in values.values() if isinstance(value, dict)]
    return [*values, *(name for names in inner for name in names)]
