"""YAML text as plain values with the line of every key: for errors that say where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from components.errors import ConfigError

_LARGEST = 1_000_000  # bytes of a file
_MOST_VALUES = 10_000  # values after aliases are followed
_DEEPEST = 20

Lines = dict[tuple[str, ...], int]
"""Where each key and each item of a list stands, counted from 1."""


def parse(text: str, where: str) -> tuple[Any, Lines]:
    """YAML 1.2 as plain values (``no`` is a string, ``1e-3`` a number) and the lines of its keys.

    Raises:
        ConfigError: not YAML, a key twice, a tag, or aliases that expand without bounds.
    """
    # Round trip: plain containers that know their lines, never objects; tags are refused below.
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    try:
        value = yaml.load(text)
    except RecursionError:
        raise ConfigError(
            f"{where}: expected at most {_DEEPEST} levels of nesting, found many more"
        ) from None
    except Exception as error:  # ruamel.yaml trips over "-_", "!!bool 7" and others instead of refusing them
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        told = str(getattr(error, "problem", None) or error)
        problem = told.partition("\n")[0] if isinstance(error, YAMLError | ValueError) else repr(error)
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
            lines[*path, name] = _line(value, key, value.lc.key)
            plain[name] = _plain(value[key], (*path, name), lines, where, count)
        return plain
    if isinstance(value, CommentedSeq):
        for number in range(len(value)):
            lines[*path, str(number)] = _line(value, number, value.lc.item)
        return [_plain(item, (*path, str(n)), lines, where, count) for n, item in enumerate(value)]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if value is None:
        return None
    raise ConfigError(f"{where}: expected text, numbers, lists and mappings, found {value!r}")


def _line(value: CommentedMap | CommentedSeq, key: object, place_of: Callable[[Any], Any]) -> int:
    """The line of a key or an item; that of the whole where it has none (a merge ``<<``, a tag)."""
    place = place_of(key) if key in (value.lc.data or ()) else (value.lc.line,)
    return int(place[0]) + 1


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: unreadable, not UTF-8, too large.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if path.is_file() and size <= _LARGEST else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected a readable YAML file in UTF-8, found: {error}") from error
    if text is None:
        raise ConfigError(f"{path}: expected a regular file of at most {_LARGEST} bytes")
    return text
