"""What packages add by entry points, ours among them: kinds, backends, metrics, sources, analyses, commands.

A package, and Antiphon itself, names in its ``pyproject.toml`` what it adds::

    [project.entry-points."antiphon.kinds"]
    punctuate = "my_package.nodes:Punctuate"

Nothing of it is imported before it is asked for by its name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Generic, TypeVar

from components.errors import ConfigError

T = TypeVar("T")


@cache
def _read_installed(path: tuple[str, ...]) -> EntryPoints:
    """Read the entry points of all packages on a path, once: each reading opens a file of every package."""
    return entry_points()  # type: ignore[return-value] # of Python 3.11 it has the same method


def foreign_modules(prefix: str = "antiphon.") -> dict[str, str]:
    """Return the packages of others that add to groups of this prefix: module -> distribution."""
    return _foreign_modules(prefix, tuple(sys.path))


@cache
def _foreign_modules(prefix: str, path: tuple[str, ...]) -> dict[str, str]:
    """Ask for the owners once: the name of each is read in a file of its package."""
    installed = _read_installed(path)
    groups = (installed.select(group=name) for name in installed.groups if name.startswith(prefix))
    owners = {each.module.partition(".")[0]: _owner_of(each) for group in groups for each in group}
    return {module: owner for module, owner in owners.items() if owner != "antiphon"}


class Extensions(MutableMapping[str, T], Generic[T]):
    """The extensions of one entry-point group by name.

    Asking for one raises ConfigError, in one line, where two packages have its name or its package is broken.

    Args:
        group: of the entry points.
        what: what one of them is, in a word, for messages.
        accept: makes the extension, given its name, the entry's value and what was imported; it raises
            ConfigError, whose text begins with what was expected.
    """

    def __init__(self, group: str, what: str, accept: Callable[[str, str, Any], T]) -> None:
        self.group, self.what = group, what
        self._accept = accept
        self._loaded: dict[str, T] = {}

    @cached_property
    def _entries(self) -> dict[str, list[EntryPoint]]:
        entries: dict[str, list[EntryPoint]] = {}
        for entry in dict.fromkeys(_read_installed(tuple(sys.path)).select(group=self.group)):
            entries.setdefault(entry.name, []).append(entry)
        return entries

    def __getitem__(self, name: str) -> T:
        entries = self._entries.get(name, [])
        if len(entries) > 1:
            owners = ", ".join(sorted(map(_owner_of, entries)))
            raise ConfigError(f"{self.what} {name}: expected one of this name, found those of {owners}")
        if name not in self._loaded:
            self._loaded[name] = self._load(entries[0]) if entries else self._missing(name)
        return self._loaded[name]

    def target(self, name: str) -> str:
        """Return the ``module:name`` of an extension, which is not imported."""
        return self._entries[name][0].value

    def only(self) -> T:
        """Return the extension of a group that is to have one.

        Raises:
            ConfigError: none is installed, or several.
        """
        if len(self) != 1:
            raise ConfigError(f"{self.group}: expected one {self.what} to be installed, found {len(self)}")
        (extension,) = self.values()
        return extension

    def _missing(self, name: str) -> T:
        raise KeyError(name)

    def _load(self, entry: EntryPoint) -> T:
        what = f"{self.what} {entry.name} of {_owner_of(entry)}"
        try:
            value = entry.load()
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"{what}: expected to import {entry.value}, found {type(error).__name__}: {text}"
            ) from error
        try:
            return self._accept(entry.name, entry.value, value)
        except ConfigError as error:
            raise ConfigError(f"{what}: {error}") from error

    def __setitem__(self, name: str, value: T) -> None:
        self._loaded[name] = value

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._loaded or name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._loaded.keys() | self._entries.keys()))

    def __len__(self) -> int:
        return len(self._loaded.keys() | self._entries.keys())


def _owner_of(entry: EntryPoint) -> str:
    return "an unknown package" if entry.dist is None else entry.dist.name


def accept_class(base: type) -> Callable[[str, str, Any], Any]:
    """Return what takes a class derived from ``base``, and makes an object of it."""

    def accept(name: str, value: str, extension: Any) -> Any:
        if not (isinstance(extension, type) and issubclass(extension, base)):
            raise ConfigError(f"expected a class of {base.__name__} at {value}, found {extension!r:.80}")
        return extension()

    return accept


def accept_object(base: type[T]) -> Callable[[str, str, Any], T]:
    """Return what takes an object of ``base``."""

    def accept(name: str, value: str, extension: Any) -> T:
        if not isinstance(extension, base):
            raise ConfigError(f"expected an object of {base.__name__} at {value}, found {extension!r:.80}")
        return extension

    return accept


def accept_methods(*methods: str) -> Callable[[str, str, Any], Any]:
    """Return what takes an object, or a module, with these functions."""

    def accept(name: str, value: str, extension: Any) -> Any:
        missing = [method for method in methods if not callable(getattr(extension, method, None))]
        if missing:
            raise ConfigError(f"expected {value} to define {' and '.join(missing)}")
        return extension

    return accept


def accept_callable(name: str, value: str, extension: Any) -> Any:
    """Take a function or a class."""
    if not callable(extension):
        raise ConfigError(f"expected a function or a class at {value}, found {extension!r:.80}")
    return extension


def accept_any(name: str, value: str, extension: Any) -> Any:
    """Return an extension as it is."""
    return extension
