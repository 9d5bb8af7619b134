"""``matrix`` of a pipeline file: lists of values for settings; every combination is a system of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
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
    written = rest.get("nodes")
    if not isinstance(written, Mapping):
        raise ConfigError(f"{where}: nodes: expected nodes by name, found {written!r}")
    paths = [_parse_key(str(key), written, where) for key in matrix]
    combinations = list(itertools.product(*matrix.values()))
    if len(combinations) > MAX_SYSTEMS:
        raise ConfigError(
            f"{where}: matrix: expected at most {MAX_SYSTEMS} systems, found {len(combinations)}"
        )
    systems: dict[str, dict[str, Any]] = {}
    for combination in combinations:
        nodes = dict(written)
        for (node, setting), value in zip(paths, combination, strict=True):
            nodes[node] = _with_setting(nodes[node], setting.split("."), value, f"{where}: nodes.{node}")
        name = _name_system(
            [(setting, value) for (_, setting), value in zip(paths, combination, strict=True)]
        )
        name = name if name not in systems else f"{name[:36]}-{len(systems) + 1}"
        systems[name] = {**rest, "nodes": nodes}
    return systems


def _parse_key(key: str, nodes: Mapping[str, Any], where: str) -> tuple[str, str]:
    node, dot, setting = key.removeprefix("nodes.").partition(".")
    if not dot or node not in nodes:
        names = ", ".join(map(str, nodes))
        raise ConfigError(f"{where}: matrix.{key}: expected NODE.SETTING of one of {names}, found {key!r}")
    return node, setting


def _with_setting(values: object, setting: Sequence[str], value: object, where: str) -> dict[str, Any]:
    """Return a copy of settings, one of which is changed, perhaps below others."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected settings, one of which a matrix varies, found {values!r}")
    first, *rest = setting
    below = values.get(first)
    changed = (
        _with_setting({} if below is None else below, rest, value, f"{where}.{first}") if rest else value
    )
    return {**values, first: changed}


def _name_system(settings: list[tuple[str, object]]) -> str:
    """Name a system after its settings and values, in the characters that a run's name may have."""
    parts = [f"{setting.rpartition('.')[2]}-{str(value).rpartition(':')[2]}" for setting, value in settings]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", ".".join(parts)).strip("-.")[:40] or "system"
