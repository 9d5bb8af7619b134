"""All kinds of nodes by name, each from the family or package that names it in ``antiphon.kinds``."""

from __future__ import annotations

from typing import Any

from components.errors import ConfigError
from components.extensions import Extensions
from components.nodes.kind import Kind


def find_missing_methods(kind: Kind[Any]) -> list[str]:
    """Return what a kind's mode requires and it lacks; data and what expands to others need nothing."""
    if kind.output == "data" or not _is_inherited(kind, "expand"):
        return []
    is_stated = isinstance(kind.version, str) and kind.version != ""
    version = [] if is_stated or not _is_inherited(kind, "facts") else ["version"]
    return [*version, *([kind.mode.method] if _is_inherited(kind, kind.mode.method) else [])]


def _is_inherited(kind: Kind[Any], method: str) -> bool:
    return getattr(type(kind), method) is getattr(Kind, method)


def _accept(name: str, value: str, kind_class: Any) -> Kind[Any]:
    is_kind = isinstance(kind_class, type) and issubclass(kind_class, Kind)
    if not is_kind or getattr(kind_class, "name", None) != name:
        raise ConfigError(f"expected a Kind of that name at {value}, found {kind_class!r:.80}")
    kind: Kind[Any] = kind_class()
    if missing := find_missing_methods(kind):
        raise ConfigError(f"expected {value} to define {' and '.join(missing)}")
    return kind


KINDS: Extensions[Kind[Any]] = Extensions("antiphon.kinds", "kind", _accept)
"""Kinds by the name that ``kind:`` takes in a file; a process may add its own to them."""
