"""The registry of kinds: our rows, and those that packages add by the entry-point group ``antiphon.kinds``.

A package names its kinds in its ``pyproject.toml``::

    [project.entry-points."antiphon.kinds"]
    punctuate = "my_package.nodes:Punctuate"
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from components.errors import ConfigError
from components.nodes.kind import Kind

GROUP = "antiphon.kinds"


class KindRegistry(MutableMapping[str, Kind[Any]]):
    """Kinds by name; one of a package is imported when it is first asked for.

    Asking for it raises ConfigError, in one line, where two have its name or its package is broken.
    """

    def __init__(self, own: Sequence[Kind[Any]]) -> None:
        self._own = {kind.name: kind for kind in own}
        self._loaded: dict[str, Kind[Any]] = {}

    @cached_property
    def _entries(self) -> dict[str, list[EntryPoint]]:
        entries: dict[str, list[EntryPoint]] = {}
        for entry in dict.fromkeys(entry_points(group=GROUP)):
            entries.setdefault(entry.name, []).append(entry)
        return entries

    def __getitem__(self, name: str) -> Kind[Any]:
        entries = self._entries.get(name, [])
        if len(entries) + (name in self._own) > 1:
            owners = [*(["Antiphon"] if name in self._own else []), *map(_owner_of, entries)]
            raise ConfigError(f"kind {name}: expected one of this name, found those of {', '.join(owners)}")
        if not entries:
            return self._own[name]
        if name not in self._loaded:
            self._loaded[name] = _load(entries[0])
        return self._loaded[name]

    def __setitem__(self, name: str, kind: Kind[Any]) -> None:
        self._own[name] = kind

    def __delitem__(self, name: str) -> None:
        del self._own[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._own.keys() | self._entries.keys()))

    def __len__(self) -> int:
        return len(self._own.keys() | self._entries.keys())


def _owner_of(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else entry.dist.name


def _load(entry: EntryPoint) -> Kind[Any]:
    what = f"kind {entry.name} of {_owner_of(entry)}"
    try:
        kind = entry.load()()
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"{what}: expected to import {entry.value}, found {type(error).__name__}: {text}"
        ) from error
    if not isinstance(kind, Kind) or getattr(kind, "name", None) != entry.name:
        raise ConfigError(f"{what}: expected a Kind of that name at {entry.value}, found {kind!r:.80}")
    if missing := find_missing_methods(kind):
        raise ConfigError(f"{what}: expected {entry.value} to define {' and '.join(missing)}")
    return kind


def find_missing_methods(kind: Kind[Any]) -> list[str]:
    """Return what a kind's mode requires and it lacks; one that expands to others needs nothing."""
    if not _is_inherited(kind, "expand"):
        return []
    is_stated = isinstance(kind.version, str) and kind.version != ""
    version = [] if is_stated or not _is_inherited(kind, "facts") else ["version"]
    return [*version, *([kind.mode.method] if _is_inherited(kind, kind.mode.method) else [])]


def _is_inherited(kind: Kind[Any], method: str) -> bool:
    return getattr(type(kind), method) is getattr(Kind, method)
