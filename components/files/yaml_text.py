"""YAML text as plain values with the line of every key, so that errors can name it; and values as YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import YAMLError

from components.errors import ConfigError

_MAX_BYTES = 2**19  # of a file: a comment or a tag of a megabyte takes seconds
_MAX_VALUES = 10_000  # values after aliases are followed
_MAX_DEPTH = 20
_TOO_LARGE = f"expected at most {_MAX_VALUES} values, {_MAX_DEPTH} deep; found more (aliases count)"

Lines = dict[tuple[str, ...], int]
"""Path of a key or a list's item -> its line, counted from 1."""
Places = Mapping[tuple[str, ...], int | str]
"""The same, with the flag (``--limit``, ``--set mt.beam_size``) of values that a command line has set."""


def at_place(file: object, place: int | str | None, message: str) -> str:
    """Return a message about a value, behind its file and line, or behind the flag that set it.

    Args:
        file: the file; None or empty without one.
        place: of :data:`Places`; None where it is not known.
        message: begins with the value's name.
    """
    if isinstance(place, int):
        return f"{file}:{place}: {message}"
    if place is None:
        return f"{file}: {message}" if file else message
    name, colon, rest = message.partition(": ")
    is_named = place.replace("_", "-").endswith(name.replace("_", "-").removeprefix("nodes."))
    return f"{place}: {rest if colon and is_named else message}"


def parse_yaml(text: str, where: str) -> tuple[Any, Lines]:
    """Read YAML 1.2 as plain values (``no`` is a string, ``1e-3`` a number).

    Args:
        text: the YAML.
        where: the file or what stands for it, for messages.

    Returns:
        The value, and the line of each of its keys.

    Raises:
        ConfigError: not YAML, a key twice, a tag, or aliases that expand without bounds.
    """
    # Round trip: plain containers that know their lines, never objects; tags are refused below.
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    yaml.Composer = _BoundedComposer
    try:
        value = yaml.load(text)
    except _TooLargeError:
        raise ConfigError(f"{where}: {_TOO_LARGE}") from None
    except Exception as error:  # ruamel.yaml trips over "-_", "!!bool 7" and others instead of refusing them
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
        problem = problem.partition(" with value ")[0].removeprefix("found ")
        if not isinstance(error, YAMLError | ValueError):
            problem = repr(error)
        raise ConfigError(f"{where}{line}: expected YAML 1.2, found: {problem:.200}") from error
    lines: Lines = {}
    return _to_plain(value, (), lines, where), lines


class _TooLargeError(Exception):
    pass


class _BoundedComposer(Composer):
    """Ends at the first value too many, where little of a large text has been read."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self._nodes = self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._nodes += 1
        self._depth += 1
        if self._nodes > 2 * _MAX_VALUES or self._depth > _MAX_DEPTH + 1:  # keys are nodes, too
            raise _TooLargeError
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def format_yaml(value: Any, *, flow_style: bool = False) -> str:
    """Write plain values as YAML 1.2, which :func:`parse_yaml` reads as the same values.

    Args:
        value: plain values; mappings keep their order.
        flow_style: on one line, with brackets and braces.
    """
    yaml: Any = YAML(typ="safe", pure=True)  # its attributes have no useful types
    yaml.default_flow_style = flow_style
    yaml.width = 10**6
    yaml.sort_base_mapping_type_on_output = False
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def _to_plain(
    value: Any, path: tuple[str, ...], lines: Lines, where: str, count: list[int] | None = None
) -> Any:
    count = [0] if count is None else count
    count[0] += 1
    if count[0] > _MAX_VALUES or len(path) > _MAX_DEPTH:
        raise ConfigError(f"{where}: {_TOO_LARGE}")
    if isinstance(value, CommentedMap):
        plain = {}
        for key in value:
            name = str(key)
            lines[*path, name] = _line_of(value, key, value.lc.key)
            plain[name] = _to_plain(value[key], (*path, name), lines, where, count)
        return plain
    if isinstance(value, CommentedSeq):
        for number in range(len(value)):
            lines[*path, str(number)] = _line_of(value, number, value.lc.item)
        return [_to_plain(item, (*path, str(n)), lines, where, count) for n, item in enumerate(value)]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if value is None:
        return None
    raise ConfigError(f"{where}: expected text, numbers, lists and mappings, found {value!r:.200}")


def _line_of(value: CommentedMap | CommentedSeq, key: object, position_of: Callable[[Any], Any]) -> int:
    """Return the line of a key or an item, or of the whole where it has none (a merge ``<<``, a tag)."""
    position = position_of(key) if key in (value.lc.data or ()) else (value.lc.line,)
    return int(position[0]) + 1


def read_yaml_text(path: Path) -> str:
    """Read the text of a configuration file.

    Raises:
        ConfigError: unreadable, not UTF-8, or too large.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if path.is_file() and size <= _MAX_BYTES else None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: expected a readable YAML file in UTF-8, found: {reason}") from error
    if text is None:
        raise ConfigError(f"{path}: expected a regular file of at most {_MAX_BYTES} bytes")
    return text
