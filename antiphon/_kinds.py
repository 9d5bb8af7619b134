"""Node kinds of one's own, for pipelines of this process."""

from __future__ import annotations

from typing import Any, TypeVar

from components.errors import ConfigError
from components.nodes.kind import KINDS, Kind, find_missing_methods

K = TypeVar("K", bound=type[Kind[Any]])


def node_kind(kind: K) -> K:
    """Add a kind of node, which pipelines of this process then name as ``kind: NAME``; decorates a class.

    A cell of a notebook may be run again: a class takes the place of the one of the same name and module.
    Workers of other processes (Ray, a deployment) know only kinds of installed packages: name those in
    the entry-point group ``antiphon.kinds``.

    Args:
        kind: a subclass of :class:`Kind` with a ``name``, made without arguments.

    Raises:
        ConfigError: there is a kind of that name already, or this one lacks a method that its flags need.
    """
    if kind.name in KINDS:
        present = type(KINDS[kind.name])
        if (present.__module__, present.__qualname__) != (kind.__module__, kind.__qualname__):
            raise ConfigError(f"kind {kind.name}: expected a new name, found that of {present.__module__}")
    node = kind()
    if missing := find_missing_methods(node):
        raise ConfigError(f"kind {kind.name}: expected {kind.__name__} to define {' and '.join(missing)}")
    KINDS[kind.name] = node
    return kind
