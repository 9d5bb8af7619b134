"""A value of a YAML file with its file, line and path, so that every error message names them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from components.errors import MergeError
from components.files.yaml_text import Lines


class YamlNode:
    """A value of a YAML file and where it stands.

    Attributes:
        value: as YAML gives it: a mapping, a list, a scalar or None.
        path: the keys and list indices that lead to it.
        warnings: lines for the user; one list for the whole file.
    """

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
        """File, line and path for messages, as ``recipe.yml:7: models.0.weight``."""
        line = f":{self._lines[self.path]}" if self.path else ""
        name = ".".join(self.path)
        return f"{self._file}{line}: {name}" if name else f"{self._file}{line}"

    def error(self, message: str) -> MergeError:
        """Return an error about this value, to be raised."""
        return MergeError(f"{self.where}: {message}")

    def _child(self, name: str, value: Any) -> YamlNode:
        return YamlNode(value, (*self.path, name), self._lines, self._file, self.warnings)

    def mapping(
        self, known_keys: Sequence[str] | None = None, required: Sequence[str] = ()
    ) -> dict[str, YamlNode]:
        """Return the values of a mapping by key, without those that are null.

        mergekit reads past unknown keys, and published recipes have some: they are warnings here, unless
        they look like a known key that is misspelt.

        Args:
            known_keys: the keys that there are; None for any.
            required: those that have to be there.

        Raises:
            MergeError: The value is no mapping, a key looks misspelt, or one is missing.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"expected a mapping, found {_describe(self.value)}")
        children = {name: self._child(name, value) for name, value in self.value.items()}
        for name in [] if known_keys is None else sorted(set(children) - set(known_keys)):
            near = difflib.get_close_matches(name, list(known_keys or ()), n=1, cutoff=0.75)
            if near:
                raise children[name].error(f"no such key; did you mean {near[0]}?")
            self.warnings.append(f"{children[name].where}: no such key; it is ignored")
        values = {name: node for name, node in children.items() if node.value is not None}
        for name in required:
            if name not in values:
                raise self.error(f"expected {name}, found none")
        return values

    def items(self) -> list[YamlNode]:
        """Return the items of a list. Raises MergeError where it is empty or no list."""
        if not isinstance(self.value, list) or not self.value:
            raise self.error(f"expected a list with items, found {_describe(self.value)}")
        return [self._child(str(number), value) for number, value in enumerate(self.value)]

    def scalar(self) -> bool | int | float | str:
        """Return the value as a number, a boolean or text. Raises MergeError for anything else."""
        if not isinstance(self.value, bool | int | float | str):
            raise self.error(f"expected a number, true, false or text, found {_describe(self.value)}")
        return self.value

    def text(self) -> str:
        """Return the value as text that is not empty; ``{model: {path: X}}``, mergekit's long form, is X.

        Raises:
            MergeError: It is something else.
        """
        value = self.value
        while isinstance(value, dict) and len(value) == 1 and next(iter(value)) in {"model", "path"}:
            value = next(iter(value.values()))
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"expected text, found {_describe(self.value)}")
        return value

    def integer(self) -> int:
        """Return the value as a whole number. Raises MergeError for anything else, booleans too."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.error(f"expected a whole number, found {_describe(self.value)}")
        return self.value

    def choice(self, choices: Sequence[str]) -> str:
        """Return the value as one of ``choices``. Raises MergeError for anything else."""
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
