"""Data sets that have a name: an entry of ``antiphon.data_sets`` finds, or fetches, what it stands for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from components.errors import ConfigError, DataError
from components.extensions import Extensions


class Located(NamedTuple):
    """What a name stands for: files as ``--data`` takes them, and the languages that the name says."""

    source: str
    source_language: str | None = None
    target_language: str | None = None


class NamedSet(ABC):
    """Public data under a name, ``NAME:REST``.

    Attributes:
        form: of the whole name, such as ``fleurs:de_de:test``.
        what: it is, in a line.
        size: about how much is fetched, in words.
        licence: of the data.
        consent: what a user must agree to before it is fetched; None: nothing.
    """

    form: str
    what: str
    size: str
    licence: str
    consent: str | None = None

    @property
    def name(self) -> str:
        """The name without what follows it: that of its entry."""
        return self.form.partition(":")[0]

    @abstractmethod
    def locate(self, rest: str, source: str | None, target: str | None) -> Located:
        """Return the files on this machine; fetches nothing.

        Args:
            rest: of the name, behind the first colon.
            source: language that was asked for.
            target: likewise.

        Raises:
            DataError: no such part, or it is not here; the message says how to get it.
        """

    @abstractmethod
    def fetch(self, rest: str, source: str | None, target: str | None) -> Located:
        """Fetch it, or return what is here. DataError where it can only be got by hand."""


def _accept(name: str, value: str, extension: object) -> NamedSet:
    if not isinstance(extension, NamedSet):
        raise ConfigError(f"expected an object of NamedSet for {name!r}, found {value}")
    return extension


DATA_SETS: Extensions[NamedSet] = Extensions("antiphon.data_sets", "data set", _accept)
"""Name -> public data."""


def is_named(source: str) -> bool:
    """Return whether a source is the name of public data."""
    name, colon, _ = source.partition(":")
    return bool(colon) and name in DATA_SETS


def locate_named(source: str, source_language: str | None, target_language: str | None) -> Located:
    """Return the files of a name, with the languages that it says where none were asked for.

    Raises:
        DataError: no such part of it, or it is not on this machine.
    """
    name, _, rest = source.partition(":")
    located = DATA_SETS[name].locate(rest, source_language, target_language)
    return Located(
        located.source, source_language or located.source_language, target_language or located.target_language
    )


def missing(source: str, named: NamedSet) -> DataError:
    """Return the error of data that are not here, with size, licence and the command that fetches them."""
    return DataError(
        f"{source}: not on this machine; antiphon data fetch {source} fetches {named.size} ({named.licence})"
    )
