"""The table of kinds: our rows, and what installed packages add by the entry-point group ``antiphon.kinds``.

A package names its kinds in its ``pyproject.toml``::

    [project.entry-points."antiphon.kinds"]
    punctuate = "my_package.nodes:Punctuate"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from threading import Lock
from typing import Any

from components.errors import ConfigError
from components.nodes.kind import Kind

GROUP = "antiphon.kinds"


class Kinds(Mapping[str, Kind[Any]]):
    """Kinds by name. One of a package is imported when it is first asked for.

    Asking for it raises ConfigError, in one line, where two have its name or its package is broken.
    """

    def __init__(self, own: Sequence[Kind[Any]]) -> None:
        self._kinds = {kind.name: kind for kind in own}
        self._own = frozenset(self._kinds)
        self._entries: dict[str, list[EntryPoint]] | None = None
        self._lock = Lock()

    def _installed(self) -> dict[str, list[EntryPoint]]:
        if self._entries is None:
            entries: dict[str, list[EntryPoint]] = {}
            for entry in entry_points(group=GROUP):
                if entry.value not in [each.value for each in entries.get(entry.name, [])]:
                    entries.setdefault(entry.name, []).append(entry)
            self._entries = entries
        return self._entries

    def __getitem__(self, name: str) -> Kind[Any]:
        with self._lock:
            entries = self._installed().get(name, [])
            if len(entries) + (name in self._own) > 1:
                owners = [*(["Antiphon"] if name in self._own else []), *map(_owner, entries)]
                raise ConfigError(
                    f"kind {name}: expected one of this name, found those of {', '.join(owners)}"
                )
            if name not in self._kinds and entries:
                self._kinds[name] = _load(entries[0])
            return self._kinds[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._installed()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._own | self._installed().keys()))

    def __len__(self) -> int:
        return len(self._own | self._installed().keys())


def _owner(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else entry.dist.name


def _load(entry: EntryPoint) -> Kind[Any]:
    what = f"kind {entry.name} of {_owner(entry)}"
    try:
        kind = entry.load()()
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"{what}: expected to import {entry.value}, found {type(error).__name__}: {text}"
        ) from error
    if not isinstance(kind, Kind) or getattr(kind, "name", None) != entry.name:
        raise ConfigError(f"{what}: expected a Kind of that name at {entry.value}, found {kind!r:.80}")
    return kind
