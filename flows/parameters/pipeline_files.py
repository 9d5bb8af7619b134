"""Pipeline files; their relative paths start at the file's folder, wherever the command is given."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any

from components.errors import ConfigError
from components.files.yaml_text import Lines, parse_yaml, read_yaml_text
from components.text.escaping import to_printable

SET_KEYS = ("data", "dev", "confirm")
"""Keys, of the run or of a node, whose values are data sets."""
OWN_CODE = ("python", "command")
"""Kinds of nodes whose paths their kinds resolve, for what they start may have a file's name."""
_REFERENCE = re.compile(r"(^|[+*:,])(\.{1,2}/[^+*:,]*)")
_SET = re.compile(r"((?:fold:[^:]*:|paragraphs:)*)(.*)", re.DOTALL)


def is_pipeline_file(name: str) -> bool:
    """Return whether it names a file with a pipeline, not a flow or a template."""
    return Path(name).suffix in {".yaml", ".yml", ".json"}


def read_file(path: Path) -> tuple[dict[str, Any], Lines]:
    """Return the parameters in a YAML file, with their lines.

    Raises:
        ConfigError: unreadable, too large, not a mapping.
    """
    value, lines = parse_yaml(read_yaml_text(path), str(path))
    if value is None:
        return {}, {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a mapping of parameters, found {type(value).__name__}")
    return value, lines


def resolve_file_paths(values: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Return the values of a pipeline file with its relative paths as they lead there from this folder.

    Recordings and data sets are paths where there is such a file, references of models where they begin with
    ``./`` or ``../``. What is not in the file's folder and is in this one is taken from here, with a line on
    standard error. The paths of own code, terms and corrections are resolved by the kinds of their nodes.
    """
    resolved = dict(values)
    if not isinstance(values.get("nodes"), Mapping) or file.parent.resolve() == Path.cwd():
        return resolved
    paths = _FilePaths(file)
    for key in SET_KEYS:
        if isinstance(values.get(key), str):
            resolved[key] = paths.resolve_set(values[key], key)
    if isinstance(values.get("audio"), str):
        lines = [line for line in values["audio"].split("\n") if line.strip()]
        resolved["audio"] = "\n".join(paths.resolve(line, "audio") for line in lines)
    for key in set(values) - {*SET_KEYS, "audio", "store"}:
        resolved[key] = paths.resolve_references(values[key], (key,))
    return resolved


class _FilePaths:
    """Resolves the paths of one file."""

    def __init__(self, file: Path) -> None:
        self._file, self._folder = file, file.parent.resolve()

    def resolve(self, path: str, key: str) -> str:
        """Return a path as it leads there from this folder; below this folder it stays relative."""
        if Path(path).is_absolute():
            return path
        absolute = self._find(path, key)
        relative = os.path.relpath(absolute)
        return str(absolute) if relative.startswith("..") else relative

    def resolve_set(self, source: str, key: str) -> str:
        """Return the name of a data set, with the files in it as they lead there from this folder."""
        prefix, names = split_set(source)
        parts = [names] if self._is_here(names) else names.split(",")
        is_named = names == "sample" or ":" in names
        may_be_missing = key == "data" and all(Path(part.strip()).suffix for part in parts)
        if is_named or not (may_be_missing or all(self._is_here(part.strip()) for part in parts)):
            return source
        return prefix + ",".join(self.resolve(part.strip(), key) for part in parts)

    def resolve_references(self, value: Any, keys: tuple[str, ...]) -> Any:
        """The same values with absolute paths in the place of ``./`` and ``../``, and data sets found."""
        if isinstance(value, Mapping):
            if value.get("kind") in OWN_CODE:
                return value
            return {
                k: v if k == "recipe" else self.resolve_references(v, (*keys, k)) for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.resolve_references(item, keys) for item in value]
        if not isinstance(value, str):
            return value
        where = ".".join(map(str, keys))
        if keys[-1] in SET_KEYS:
            return self.resolve_set(value, where)
        return _REFERENCE.sub(lambda match: match[1] + str(self._find(match[2], where)), value)

    def _find(self, path: str, key: str) -> Path:
        below = Path(os.path.normpath(self._folder / path))
        if exists(below) or not exists(Path(path)):
            return below
        where = f"{path} is not in {self._file.parent} but in this folder, and taken from here"
        notice = f"antiphon: {self._file}: {key}: {where}; name it relative to the file\n"
        sys.stderr.write(to_printable(notice))
        return Path(path).absolute()

    def _is_here(self, path: str) -> bool:
        return exists(self._folder / path) or exists(Path(path))


def split_set(source: str) -> tuple[str, str]:
    """Return what stands before the name of a data set (its fold, its paragraphs), and the name."""
    match = _SET.fullmatch(source)
    return (match[1], match[2]) if match is not None else ("", source)


def exists(path: Path) -> bool:
    """Return whether there is a file or folder, or one that a pattern stands for."""
    try:
        return os.path.lexists(path) or bool(glob(str(path), recursive=True))  # noqa: PTH207 - absolute patterns too
    except (OSError, ValueError):
        return False
