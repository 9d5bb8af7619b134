"""A value of a YAML file that knows where it stands, so that every complaint names the line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from components.errors import MergeError
from components.yaml_text import Lines


class YamlNode:
    """A value with its path in the file. ``warnings`` is one list for the whole file."""

    def __init__(
        self,
        value: Any,
        path: tuple[str, ...],
        lines: Lines,
        file: str,
        warnings: list[str] | None = None,
    ) -> None:
        self.value, self.path, self._lines, self._file = value, path, lines, file
        self.warnings = [] if warnings is None else warnings

    @property
    def where(self) -> str:
        """``file:line: a.b`` for messages."""
        path = self.path
        while path and path not in self._lines:
            path = path[:-1]
        line = f":{self._lines[path]}" if path else ""
        name = ".".join(part for part in self.path)
        return f"{self._file}{line}: {name}" if name else f"{self._file}{line}"

    def error(self, message: str) -> MergeError:
        """The error to raise about this value."""
        return MergeError(f"{self.where}: {message}")

    def _child(self, name: str, value: Any) -> YamlNode:
        return YamlNode(value, (*self.path, name), self._lines, self._file, self.warnings)

    def mapping(self, known_keys: Sequence[str] | None = None) -> dict[str, YamlNode]:
        """The values of a mapping; those that are null are left out.

        A key that is not ``known`` is a fault where it looks like one that is, else a warning: mergekit
        reads past such keys, and recipes have them.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"expected a mapping, found {_describe(self.value)}")
        children = {name: self._child(name, value) for name, value in self.value.items()}
        for name in [] if known_keys is None else sorted(set(children) - set(known_keys)):
            near = difflib.get_close_matches(name, list(known_keys or ()), n=1, cutoff=0.75)
            if near:
                raise children[name].error(f"no such key; did you mean {near[0]}?")
            self.warnings.append(f"{children[name].where}: no such key; it is ignored")
        return {name: node for name, node in children.items() if node.value is not None}

    def items(self) -> list[YamlNode]:
        """The items of a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            raise self.error(f"expected a list with items, found {_describe(self.value)}")
        return [self._child(str(number), value) for number, value in enumerate(self.value)]

    def scalar(self) -> bool | int | float | str:
        """A number, a boolean or a text."""
        if not isinstance(self.value, bool | int | float | str):
            raise self.error(f"expected a number, true, false or text, found {_describe(self.value)}")
        return self.value

    def text(self) -> str:
        """A text that is not empty. ``model: {model: {path: X}}``, mergekit's long form, is X."""
        value = self.value
        while isinstance(value, dict) and len(value) == 1 and next(iter(value)) in {"model", "path"}:
            value = next(iter(value.values()))
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"expected text, found {_describe(self.value)}")
        return value

    def integer(self) -> int:
        """A whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.error(f"expected a whole number, found {_describe(self.value)}")
        return self.value

    def choice(self, choices: Sequence[str]) -> str:
        """One of ``known``."""
        value = self.text()
        if value not in choices:
            raise self.error(f"expected one of {', '.join(choices)}, found {value}")
        return value


def _describe(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return f"a {'mapping' if isinstance(value, dict) else 'list'} of {len(value)}"
    return repr(value)
