"""``matrix``: lists of values at any settings; every combination is a system of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from components.errors import ConfigError

MAX_SYSTEMS = 20
"""Systems of one matrix."""


def expand_matrix(values: Mapping[str, Any], where: str = "pipeline") -> dict[str, dict[str, Any]]:
    """The pipelines (as they would be written) that a written one with a ``matrix`` stands for, by name.

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
    for chosen in combinations:
        nodes = {name: dict(node) for name, node in rest["nodes"].items()}
        for (node, setting), value in zip(paths, chosen, strict=True):
            _set_setting(nodes[node], setting.split("."), value)
        name = _name_system([(setting, value) for (_, setting), value in zip(paths, chosen, strict=True)])
        name = name if name not in systems else f"{name[:36]}-{len(systems) + 1}"
        systems[name] = {**rest, "nodes": nodes}
    return systems


def _parse_key(key: str, values: Mapping[str, Any], where: str) -> tuple[str, str]:
    node, dot, setting = key.removeprefix("nodes.").partition(".")
    if not dot or node not in values.get("nodes", {}):
        known = ", ".join(values.get("nodes", {}))
        raise ConfigError(f"{where}: matrix.{key}: expected NODE.SETTING of one of {known}, found {key!r}")
    return node, setting


def _set_setting(node: dict[str, Any], setting: list[str], value: object) -> None:
    for part in setting[:-1]:
        node[part] = dict(node.get(part) or {})
        node = node[part]
    node[setting[-1]] = value


def _name_system(chosen: list[tuple[str, object]]) -> str:
    """A system's name: its settings with their values, as a run may be called."""
    parts = [f"{setting.rpartition('.')[2]}-{str(value).rpartition(':')[2]}" for setting, value in chosen]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", ".".join(parts)).strip("-.")[:40] or "system"
