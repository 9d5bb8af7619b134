"""From a YAML file and flags to checked flow parameters, with errors that name the line and the field."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from components.errors import ConfigError
from flows.parameters import check_no_secret

P = TypeVar("P", bound=BaseModel)
_LARGEST = 1_000_000  # bytes of a configuration file
_MOST_VALUES = 10_000  # values after aliases are followed
_DEEPEST = 20

Lines = dict[tuple[str, ...], int]
"""Where each key of a file stands, counted from 1."""


def parse(text: str, where: str) -> tuple[Any, Lines]:
    """YAML 1.2 as plain values (``no`` is a string, ``1e-3`` a number) and the lines of its keys.

    Raises:
        ConfigError: not YAML, a key twice, a tag, or aliases that expand without bounds.
    """
    yaml = YAML(
        typ="rt", pure=True
    )  # builds plain containers with line numbers, never objects; tags are refused
    yaml.allow_duplicate_keys = False
    try:
        value = yaml.load(StringIO(text))
    except RecursionError:
        raise ConfigError(
            f"{where}: expected at most {_DEEPEST} levels of nesting, found many more"
        ) from None
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise ConfigError(f"{where}{line}: expected YAML 1.2, found: {problem}") from error
    lines: Lines = {}
    return _plain(value, (), lines, where), lines


def _plain(
    value: Any, path: tuple[str, ...], lines: Lines, where: str, count: list[int] | None = None
) -> Any:
    count = [0] if count is None else count
    count[0] += 1
    if count[0] > _MOST_VALUES or len(path) > _DEEPEST:
        raise ConfigError(
            f"{where}: expected at most {_MOST_VALUES} values, {_DEEPEST} deep; found more (aliases count)"
        )
    if isinstance(value, CommentedMap):
        plain = {}
        for key in value:
            name = str(key)
            lines[*path, name] = value.lc.key(key)[0] + 1
            plain[name] = _plain(value[key], (*path, name), lines, where, count)
        return plain
    if isinstance(value, CommentedSeq):
        return [_plain(item, (*path, str(n)), lines, where, count) for n, item in enumerate(value)]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if value is None:
        return None
    raise ConfigError(f"{where}: expected text, numbers, lists and mappings, found {value!r}")


def read_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """The parameters in a YAML file, with their lines.

    Raises:
        ConfigError: unreadable, too large, not a mapping.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if path.is_file() and size <= _LARGEST else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable YAML file in UTF-8, found: {error}") from error
    if text is None:
        raise ConfigError(f"{path}: expected a regular file of at most {_LARGEST} bytes")
    value, lines = parse(text, str(path))
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
    values, lines = read_file(file) if file is not None else ({}, {})
    values |= {name: value for name, value in shortcuts.items() if value is not None}
    for assignment in assignments:
        set_value(values, assignment)
    check_no_secret(_names(values))
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [_fault(model, dict(fault), file, lines) for fault in error.errors()]
        raise ConfigError("; ".join(faults)) from None


def _names(values: Mapping[str, Any]) -> list[str]:
    inner = [_names(value) for value in values.values() if isinstance(value, dict)]
    return [*values, *(name for names in inner for name in names)]


def _fault(model: type[BaseModel], fault: dict[str, Any], file: Path | None, lines: Lines) -> str:
    path = tuple(str(part) for part in fault["loc"])
    line = lines.get(path)
    where = f"{file}:{line}: " if line is not None else ""
    name = ".".join(path)
    if fault["type"] != "extra_forbidden":
        return f"{where}{name}: {fault['msg']}, found {fault['input']!r}"
    known = _fields(model, path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"did you mean {'.'.join((*path[:-1], near[0]))}?" if near else f"known: {', '.join(known)}"
    return f"{where}{name}: no such parameter; {hint}"


def _fields(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    """Names of the fields of the model that stands at ``path`` below ``model``."""
    for name in path:
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
