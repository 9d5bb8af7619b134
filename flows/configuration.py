"""From a YAML file and flags to checked flow parameters, with errors that name the line and the field."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from components.errors import ConfigError
from components.yaml_text import Lines, parse, read_text
from flows.parameters import check_no_secret, told

P = TypeVar("P", bound=BaseModel)


def read_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """The parameters in a YAML file, with their lines.

    Raises:
        ConfigError: unreadable, too large, not a mapping.
    """
    value, lines = parse(read_text(path), str(path))
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
    target[names[-1]] = parse(text, f"--set {path}")[0]


def gather(
    model: type[P], file: Path | None, assignments: Sequence[str], shortcuts: Mapping[str, object]
) -> P:
    """Checked parameters: the model's defaults, then the file's, the shortcuts', and ``--set``'s values.

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
        raise ConfigError("\n".join(faults(model, error, file, lines))) from None


def _check_unicode(texts: Sequence[str]) -> None:
    """What is no UTF-8 on the command line (a file name can be) could not be kept in the run's record."""
    for text in texts:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ConfigError(f"expected UTF-8, found {os.fsencode(text)!r}; rename the file")


def _names(values: Mapping[str, Any]) -> list[str]:
    inner = [_names(value) for value in values.values() if isinstance(value, dict)]
    return [*values, *(name for names in inner for name in names)]


def faults(
    model: type[BaseModel], error: ValidationError, file: Path | None = None, lines: Lines | None = None
) -> list[str]:
    """What pydantic found wrong with the values of ``model``, a line each with its place and what to do."""
    return [_fault(model, dict(fault), file, lines or {}) for fault in error.errors()]


def _fault(model: type[BaseModel], fault: dict[str, Any], file: Path | None, lines: Lines) -> str:
    path = tuple(str(part) for part in fault["loc"])
    line = lines.get(path)
    where = f"{file}:{line}: " if line is not None else ""
    name = ".".join(path)
    if fault["type"] == "missing" and name in model.model_fields:
        return f"{where}{name}: must be set; {_how(name, model.model_fields[name])}"
    if fault["type"] != "extra_forbidden":
        return f"{where}{told(fault)}"
    known = _fields(model, path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean {'.'.join((*path[:-1], near[0]))}?" if near else f"known: {', '.join(known)}"
    return f"{where}{name}: no such parameter; {hint}"


def _how(name: str, field: FieldInfo) -> str:
    """What a parameter is and how it is set."""
    example = field.examples[0] if field.examples else "VALUE"
    return f"{field.description}: --set {name}={example}"


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Names of the fields of the model that stands at ``path`` below ``model``."""
    for name in path:
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
