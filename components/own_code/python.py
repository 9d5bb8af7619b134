"""``python``: a function of the user's own in the middle of a pipeline.

The simplest is a file ``steps.py``::

    def restore(record): return record["text"].capitalize() + "."

and the node ``{kind: python, file: steps.py, function: restore, of: asr}``.
:mod:`components.own_code.plain_records` says what a function takes and returns.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from pydantic import Field, model_validator
from typing_extensions import override

from components.errors import ConfigError
from components.nodes.node_context import Component, NodeContext
from components.own_code import code_permission, own_function
from components.own_code.own_code import OwnCode, OwnCodeSettings
from components.stage_settings import Device, FilePath, Unkeyed

VERSION = 1
"""Version of the records that functions read, and of how their answers are read."""


class PythonSettings(OwnCodeSettings):
    """The function and its arguments."""

    file: FilePath | None = Field(None, description="a Python file; its bytes are part of the stage's key")
    package: str | None = Field(
        None, description="or an installed distribution; its version is part of the key"
    )
    function: str = Field(description="of the file; of a package module:name")
    batch: bool = Field(False, description="the function takes a list of records and gives a list of answers")
    arguments: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="further arguments of the function, by name"
    )
    also: tuple[FilePath, ...] = Field(
        (), description="further files that decide the outputs: modules beside the file, word lists"
    )
    libraries: Unkeyed[tuple[str, ...]] = Field(
        (), description="distributions whose versions decide the outputs"
    )
    device: Device = Field("auto", description="where it computes, if its libraries name torch")

    @property
    def own_libraries(self) -> tuple[str, ...]:
        """The package, and what is said of others."""
        return (*(() if self.package is None else (self.package,)), *self.libraries)

    @property
    def own_device(self) -> str | None:
        """The device of torch, where that decides the outputs."""
        return self.device if "torch" in self.libraries else None

    @model_validator(mode="after")
    def _check_source(self) -> PythonSettings:
        if (self.file is None) == (self.package is None):
            raise ValueError("expected file or package, one of the two")
        if self.package is not None and not all(self.function.partition(":")):
            raise ValueError(f"function: expected module:name of the package, found {self.function!r}")
        return self


class Python(OwnCode[PythonSettings]):
    """Calls a function with plain records."""

    name = "python"
    summary = "a function of your own"
    settings = PythonSettings
    version = str(VERSION)

    @override
    def check(self, settings: PythonSettings, context: NodeContext) -> None:
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

    @override
    def build(self, settings: PythonSettings, context: NodeContext) -> Component:
        """Return the function, loaded."""
        code_permission.require_permission(f"{settings.function} of {settings.file or settings.package}")
        if settings.file is None:
            function = own_function.load_from_package(settings.function)
        else:
            also = [Path(path) for path in settings.also]
            function = own_function.load_from_file(Path(settings.file), settings.function, also)
        return own_function.OwnFunction(
            function, context, settings.output, settings.branches, settings.arguments, batch=settings.batch
        )
