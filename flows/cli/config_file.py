"""From a YAML file and flags to checked flow parameters, with errors that name the line and the field."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from components.errors import ConfigError
from components.yaml_text import Lines, parse_yaml, read_yaml_text
from flows.parameters.base import check_no_secret
from flows.parameters.faults import describe_faults

P = TypeVar("P", bound=BaseModel)


def read_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """The parameters in a YAML file, with their lines.

    Raises:
        ConfigError: unreadable, too large, not a mapping.
    """
    value, lines = parse_yaml(read_yaml_text(path), str(path))
    if value is None:
        return {}, {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a mapping of parameters, found {type(value).__name__}")
    return value, lines


def set_value(values: dict[str, Any], assignment: str) -> None:
    """Apply ``a.b=value`` of a ``--set`` flag; the value is YAML.

    Raises:
        ConfigError: no '=', an empty name, or a name below something that is not a mapping.
    """
    path, equals, text = assignment.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"--set: expected name=value or stage.name=value, found {assignment!r}")
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
    _check_unicode([*assignments, *(value for value in shortcuts.values() if isinstance(value, str))])
    values, lines = read_file(file) if file is not None else ({}, {})
    values |= {name: value for name, value in shortcuts.items() if value is not None}
    for assignment in assignments:
        set_value(values, assignment)
    check_no_secret(_names(values))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(describe_faults(model, error, file, lines))) from None


def _check_unicode(texts: Sequence[str]) -> None:
    """Refuse text that is not UTF-8 (a file name can be so), which a run's record could not hold."""
    for text in texts:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigError(f"expected UTF-8, found {os.fsencode(text)!r}; rename the file")


def _names(values: Mapping[str, Any]) -> list[str]:
    inner = [_names(value) for value in values.values() if isinstance(value, dict)]
    return [*values, *(name for names in inner for name in names)]
