"""What a search may change: a setting of a node, and the values that it can take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.errors import ConfigError
from components.text.suggestions import suggest
from components.tuning.domains import Domain, Simplex, read_domain


@dataclass(frozen=True)
class Variable:
    """A setting of a node that a search changes.

    Attributes:
        key: as the file has it: ``nodes.NODE.SETTING``; a ``*`` stands for every item of a list.
        node: the node.
        path: the keys below the node.
        domain: what it can be.
    """

    key: str
    node: str
    path: tuple[str, ...]
    domain: Domain

    @property
    def coordinates(self) -> list[str]:
        """Names of its coordinates, as Optuna has them."""
        count = self.domain.n - 1 if isinstance(self.domain, Simplex) else 1
        return [self.key] if count == 1 else [f"{self.key}[{number}]" for number in range(count)]

    def set_in(self, node: dict[str, Any], value: Any) -> None:
        """Set it in the written node; of a list with ``*`` each item gets its own weight."""
        if "*" not in self.path:
            _set(node, self.path, value)
            return
        for number, weight in enumerate(value):
            _set(node, tuple(str(number) if part == "*" else part for part in self.path), weight)


def _set(target: Any, path: Sequence[str], value: Any) -> None:
    for number, part in enumerate(path):
        key: Any = int(part) if isinstance(target, list) else part
        if number == len(path) - 1:
            target[key] = value
            return
        if isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key]


@dataclass(frozen=True)
class SearchSpace:
    """All variables of a search.

    Attributes:
        variables: by their keys.
    """

    variables: Mapping[str, Variable] = field(default_factory=dict)

    @property
    def size(self) -> int | None:
        """How many pipelines there are; None for a continuum."""
        sizes = [variable.domain.size for variable in self.variables.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def apply(self, graph: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the written graph with other settings.

        Args:
            graph: as a file has it; it stays as it is.
            settings: key of a variable -> value.
        """
        nodes = dict(graph["nodes"])
        for key, value in settings.items():
            variable = self.variables[key]
            nodes[variable.node] = node = _copy(nodes[variable.node])
            variable.set_in(node, value)
        return {**graph, "nodes": nodes}


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return list(map(_copy, value)) if isinstance(value, list | tuple) else value


def read_variable(key: str, written: Any, nodes: Mapping[str, Any]) -> Variable:
    """Read one entry of ``search``.

    Args:
        key: ``nodes.NODE.SETTING`` or ``NODE.SETTING``.
        written: the values.
        nodes: the written nodes.

    Raises:
        ConfigError: there is no such node, or these are no values; without the place in the file.
    """
    node, *path = key.removeprefix("nodes.").split(".")
    if node not in nodes:
        raise ConfigError(f"there is no node {node!r}{suggest(node, nodes)}")
    if not path or not all(path):
        settings = f"{node}.SETTING such as {node}.beam_size"
        raise ConfigError(f"expected {settings}, found {key!r}")
    variable = Variable(key, node, tuple(path), read_domain(written))
    _check_lists(variable, nodes[node])
    return variable


def _check_lists(variable: Variable, node: Any) -> None:
    """Refuse a path through a list without such an item, and a ``*`` for a list of another length."""
    value = node
    for number, part in enumerate(variable.path):
        where = ".".join((variable.node, *variable.path[:number]))
        if part == "*":
            length = variable.domain.n if isinstance(variable.domain, Simplex) else None
            if not isinstance(value, list) or length is None:
                found = "simplex" if length is not None else "other values"
                raise ConfigError(f"expected a list in {where} and simplex(N) for its '*', found {found}")
            if len(value) != length:
                raise ConfigError(
                    f"expected simplex({len(value)}), one weight for each of {where}, found simplex({length})"
                )
            value = value[0]
            continue
        if isinstance(value, list):
            if not part.isdigit() or int(part) >= len(value):
                raise ConfigError(f"expected 0 to {len(value) - 1} or '*' in {where}, found {part!r}")
            value = value[int(part)]
        elif value is None or isinstance(value, Mapping):
            value = (value or {}).get(part)
        else:
            raise ConfigError(
                f"expected settings in {where}, found {value!r}; write its keys into the pipeline's file"
            )
