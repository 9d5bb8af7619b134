"""``matrix`` of a pipeline file: lists of values for settings; every combination is a system of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from components.errors import ConfigError

MAX_SYSTEMS = 20
"""Systems of one matrix at most."""


def expand_matrix(values: Mapping[str, Any], where: str = "pipeline") -> dict[str, dict[str, Any]]:
    """Return the pipelines (as they would be written) that one with a ``matrix`` stands for, by name.

    Args:
        values: the written pipeline.
        where: its file, for messages.

    Raises:
        ConfigError: no lists, a node that is not there, or more than 20 combinations.
    """
    rest = {key: value for key, value in values.items() if key != "matrix"}
    matrix = values.get("matrix")
    if matrix is None:
        return {"": rest}
    if not isinstance(matrix, Mapping) or not all(isinstance(v, list) and v for v in matrix.values()):
        raise ConfigError(
            f"{where}: matrix: expected lists such as {{de.beam_size: [1, 5]}}, found {matrix!r}"
        )
    paths = [_parse_key(str(key), rest, where) for key in matrix]
    combinations = list(itertools.product(*matrix.values()))
    if len(combinations) > MAX_SYSTEMS:
        raise ConfigError(
            f"{where}: matrix: expected at most {MAX_SYSTEMS} systems, found {len(combinations)}"
        )
    systems: dict[str, dict[str, Any]] = {}
    for combination in combinations:
        nodes = {name: dict(node) for name, node in rest["nodes"].items()}
        for (node, setting), value in zip(paths, combination, strict=True):
            _set_setting(nodes[node], setting.split("."), value)
        name = _name_system(
            [(setting, value) for (_, setting), value in zip(paths, combination, strict=True)]
        )
        name = name if name not in systems else f"{name[:36]}-{len(systems) + 1}"
        systems[name] = {**rest, "nodes": nodes}
    return systems


def _parse_key(key: str, values: Mapping[str, Any], where: str) -> tuple[str, str]:
    node, dot, setting = key.removeprefix("nodes.").partition(".")
    if not dot or node not in values.get("nodes", {}):
        names = ", ".join(values.get("nodes", {}))
        raise ConfigError(f"{where}: matrix.{key}: expected NODE.SETTING of one of {names}, found {key!r}")
    return node, setting


def _set_setting(node: dict[str, Any], setting: list[str], value: object) -> None:
    for part in setting[:-1]:
        node[part] = dict(node.get(part) or {})
        node = node[part]
    node[setting[-1]] = value


def _name_system(settings: list[tuple[str, object]]) -> str:
    """Name a system after its settings and values, in the characters that a run's name may have."""
    parts = [f"{setting.rpartition('.')[2]}-{str(value).rpartition(':')[2]}" for setting, value in settings]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", ".".join(parts)).strip("-.")[:40] or "system"
