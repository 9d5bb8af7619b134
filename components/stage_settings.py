"""Settings that decide the outputs of stages: what their fields are, and which of them are in a stage's key.

A field says by its type what it is, so that no kind of node has to::

    model: ModelRef
    states: Annotated[str, TableOf("encode_speech")]
    terms: FilePath | None = None
    timeout: Unkeyed[float] = 60.0

Markers change neither what a field accepts nor its JSON schema, and are inherited with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
What = Literal["model", "table", "file", "data", "stage", "seed", "device", "unkeyed"]


AUTO_MODEL = "auto"
"""In place of a model's reference: the one that is chosen by the languages of the data."""


@dataclass(frozen=True)
class Marker:
    """What a field of settings is.

    Attributes:
        what: model: a reference of a model; table: a node whose finished files are read; file: a path, whose
            digest is in the key; data: a data set, as a file; stage: the key of a finished stage; seed and
            device: the node's own; unkeyed: not in the key by its value, as it decides no output or something
            else stands for it.
        role: by which the key knows it; the field's name if empty, of several without its plural s, numbered.
    """

    what: What
    role: str = ""


@dataclass(frozen=True)
class TableOf(Marker):
    """A node of this kind, whose files are read.

    Attributes:
        kind: that gives the table.
        from_dev: a file may say from which data set it is learned, by ``dev``, instead.
    """

    what: What = "table"
    kind: str = ""
    from_dev: bool = False

    def __init__(self, kind: str = "", *, role: str = "", from_dev: bool = False) -> None:
        """``kind``: any that gives a table if empty."""
        for name, value in (("kind", kind), ("role", role), ("from_dev", from_dev)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class DataSet(Marker):
    """A data set, or several by a name, in the ``source_language`` and ``target_language`` of the settings.

    Attributes:
        limit: the setting that says how many of its utterances are read; all if empty.
    """

    what: What = "data"
    limit: str = ""


class DataSource(NamedTuple):
    """What is read of a data set, by the names that :func:`components.data.load` has for it."""

    source: str
    limit: int | None = None
    source_language: str | None = None
    target_language: str | None = None


ModelRef = Annotated[str, Marker("model")]
"""Reference of a model; ``node:NAME`` is made by another node."""
FilePath = Annotated[str, Marker("file")]
StageKey = Annotated[str, Marker("stage")]
Seed = Annotated[int, Marker("seed")]
Device = Annotated[str, Marker("device")]
Unkeyed = Annotated[T, Marker("unkeyed")]


@cache
def markers_of(settings: type[BaseModel]) -> dict[str, Marker]:
    """Return the markers of a model's fields, by the fields' names."""
    found = {
        name: next(_find(field.annotation, field.metadata), None)
        for name, field in settings.model_fields.items()
    }
    return {name: marker for name, marker in found.items() if marker is not None}


def _find(annotation: Any, metadata: Any) -> Iterator[Marker]:
    yield from (each for each in metadata if isinstance(each, Marker))
    for inner in get_args(annotation):
        yield from _find(inner, getattr(inner, "__metadata__", ()))


def table_kinds(settings: type[BaseModel]) -> dict[str, str]:
    """Return the kinds of the nodes whose tables are read, by role, where one kind alone gives them."""
    return {
        marker.role or name: marker.kind
        for name, marker in markers_of(settings).items()
        if isinstance(marker, TableOf) and marker.kind
    }


def table_from_dev(settings: type[BaseModel]) -> tuple[str, str] | None:
    """Return the field of a table that a file may say by ``dev``, and the kind that learns it."""
    for name, marker in markers_of(settings).items():
        if isinstance(marker, TableOf) and marker.from_dev:
            return name, marker.kind
    return None


def marked(settings: BaseModel, what: What) -> dict[str, Any]:
    """Return the values of what is marked so and set, by role."""
    values: dict[str, Any] = {}
    for name, marker in markers_of(type(settings)).items():
        value = getattr(settings, name)
        if marker.what != what or value is None:
            continue
        if isinstance(value, tuple):
            values |= {
                f"{marker.role or name.removesuffix('s')}{number}": each for number, each in enumerate(value)
            }
        else:
            values[marker.role or name] = value
    return values


def data_sets(settings: BaseModel) -> dict[str, DataSource]:
    """Return the data sets that are read, by role: as ``data_sets`` of the settings says, else the marked."""
    own = getattr(settings, "data_sets", None)
    return marked_data_sets(settings) if own is None else own()


def marked_data_sets(settings: BaseModel) -> dict[str, DataSource]:
    """Return the data sets that are marked and set, by role; of several, ``ROLE NAME``."""
    languages = [getattr(settings, f"{side}_language", None) for side in ("source", "target")]
    sets: dict[str, DataSource] = {}
    for name, marker in markers_of(type(settings)).items():
        value = getattr(settings, name)
        if isinstance(marker, DataSet) and value is not None:
            limit = getattr(settings, marker.limit) if marker.limit else None
            several = value if isinstance(value, dict) else {"": value}
            for key, source in several.items():
                role = f"{marker.role or name} {key}".strip()
                sets[role] = DataSource(source, limit, *languages)
    return sets


def key_values(settings: BaseModel, exclude: Set[str] = frozenset()) -> dict[str, Any]:
    """Return the settings that a stage's key has as values: those that are not marked, nor in ``exclude``."""
    left_out = {*exclude, *markers_of(type(settings))}
    if isinstance(settings, StageSettings):
        return settings.settings_for_key(left_out)
    return settings.model_dump(mode="json", exclude=left_out)


def resolve_files(settings: M, files: Mapping[str, str], folder: Path) -> M:
    """Return settings whose relative paths start at ``folder``.

    These are ``files`` by field, what is marked, and those of settings inside, by their ``resolve_paths``;
    settings that have that method themselves know all of theirs.
    """
    own: Callable[[Path], M] | None = getattr(settings, "resolve_paths", None)
    if own is not None:
        return own(folder)
    paths: dict[str, Any] = {
        name: str(folder / path) for name, path in files.items() if name in type(settings).model_fields
    }
    for name, marker in markers_of(type(settings)).items():
        value = getattr(settings, name)
        if marker.what == "file" and value is not None:
            several = isinstance(value, tuple)
            paths[name] = tuple(str(folder / path) for path in value) if several else str(folder / value)
    for name in type(settings).model_fields:
        if (resolve := getattr(getattr(settings, name), "resolve_paths", None)) is not None:
            paths[name] = resolve(folder)
    return settings.model_copy(update=paths)


class Settings(BaseModel):
    """Base of settings: immutable, and closed to what is none of its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSettings(Settings):
    """Base of settings that are part of a stage's key.

    A subclass lists in ``keyed_when_set`` the features that are off at their defaults.
    """

    keyed_when_set: ClassVar[tuple[str, ...]] = ()

    def settings_for_key(self, exclude: Set[str]) -> dict[str, Any]:
        """Return the settings that decide outputs, as a stage's key has them, without those in ``exclude``.

        Those of ``keyed_when_set`` are left out at their defaults.
        """
        fields = type(self).model_fields
        unset = {name for name in self.keyed_when_set if getattr(self, name) == fields[name].default}
        return self.model_dump(mode="json", exclude={*exclude, *unset})
