"""``python``: a function of the user's own in the middle of a pipeline.

The simplest is a file ``steps.py``::

    def restore(record): return record["text"].capitalize() + "."

and the node ``{kind: python, file: steps.py, function: restore, of: asr}``.
:mod:`components.nodes.plain_records` says what a function takes and returns.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from components.errors import ConfigError
from components.nodes import code_permission, own_function
from components.nodes.kind import Kind
from components.nodes.plain_records import Gives
from components.nodes.site import Component, NodeSettings, Site, Sort

VERSION = 1
"""Version of the records that functions read, and of how their answers are read."""


class PythonSettings(NodeSettings):
    """The function and its arguments."""

    file: str | None = Field(None, description="a Python file; its bytes are part of the stage's key")
    package: str | None = Field(
        None, description="or an installed distribution; its version is part of the key"
    )
    function: str = Field(description="of the file; of a package module:name")
    gives: Gives = Field(
        "text", description="text; table (a number or a way each); speech (an audio file each)"
    )
    ways: tuple[str, ...] = Field((), description="of a table: the ways for when: NODE.WAY")
    batch: bool = Field(False, description="the function takes a list of records and gives a list of answers")
    arguments: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="further arguments of the function, by name"
    )
    also: tuple[str, ...] = Field(
        (), description="further files that decide the outputs: modules beside the file, word lists"
    )
    libraries: tuple[str, ...] = Field((), description="distributions whose versions decide the outputs")
    device: str = Field("auto", description="where it computes, if its libraries name torch")

    @model_validator(mode="after")
    def _check_source(self) -> PythonSettings:
        if (self.file is None) == (self.package is None):
            raise ValueError("expected file or package, one of the two")
        if self.package is not None and not all(self.function.partition(":")):
            raise ValueError(f"function: expected module:name of the package, found {self.function!r}")
        if self.ways and self.gives != "table":
            raise ValueError(f"ways: expected gives: table, found {self.gives}")
        return self


class Python(Kind[PythonSettings]):
    """Calls a function with plain records."""

    name = "python"
    summary = "a function of your own"
    settings = PythonSettings
    reads = ("speech", "text", "table")
    inputs = (1, 16)
    needs_inputs = True
    looks_back = True
    may_translate = True

    def output_sort(self, settings: PythonSettings) -> Sort:
        """Return the sort that is set."""
        return settings.gives

    def version(self, settings: PythonSettings) -> str:
        """Return the version of the plain records."""
        return str(VERSION)

    def libraries(self, settings: PythonSettings) -> tuple[str, ...]:
        """Return the libraries that are set, and the package."""
        package = () if settings.package is None else (settings.package,)
        return (*package, *settings.libraries)

    def files(self, settings: PythonSettings) -> dict[str, str]:
        """Return the file and those beside it."""
        file = {} if settings.file is None else {"file": settings.file}
        return file | {f"also{number}": path for number, path in enumerate(settings.also)}

    def resolve_paths(self, settings: PythonSettings, folder: Path) -> PythonSettings:
        """Resolve the file and those beside it."""
        also = tuple(str(folder / path) for path in settings.also)
        return super().resolve_paths(settings, folder).model_copy(update={"also": also})

    def parameters(self, settings: PythonSettings, site: Site) -> dict[str, Any]:
        """Return how the function is called, and what its records call the nodes that it reads."""
        values = settings.model_dump(mode="json", exclude={"file", "also", "libraries", "device"})
        return values | {"called": list(site.called)}

    def device(self, settings: PythonSettings) -> str | None:
        """Return None, a lane of its own, unless the function computes with torch."""
        return settings.device if "torch" in settings.libraries else None

    def ways(self, settings: PythonSettings) -> tuple[str, ...]:
        """Return the ways that are set."""
        return settings.ways

    def check(self, settings: PythonSettings, site: Site) -> None:
        """Check that the function may run and is there; nothing of it is run."""
        code_permission.require_permission(f"{settings.function} of {settings.file or settings.package}")
        if settings.file is not None:
            own_function.check_file(Path(settings.file), settings.function)
            return
        try:
            metadata.distribution(str(settings.package))
        except metadata.PackageNotFoundError:
            raise ConfigError(
                f"expected the distribution {settings.package}, found it not installed; pip install it"
            ) from None

    def build(self, settings: PythonSettings, site: Site) -> Component:
        """Return the function, loaded."""
        code_permission.require_permission(f"{settings.function} of {settings.file or settings.package}")
        if settings.file is None:
            function = own_function.load_from_package(settings.function)
        else:
            also = [Path(path) for path in settings.also]
            function = own_function.load_from_file(Path(settings.file), settings.function, also)
        return own_function.OwnFunction(
            function, site, settings.gives, settings.ways, settings.arguments, batch=settings.batch
        )
