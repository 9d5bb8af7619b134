"""``command``: a program of the user's own in the middle of a pipeline.

``{kind: command, run: [sed, "s/colour/color/g"], of: asr, format: text}`` gives every text to ``sed`` as a
line and takes its lines as texts. In the format ``jsonl`` a program reads one JSON object per line, as
:mod:`components.own_code.plain_records` describes it, and writes one with the same ``id`` for each, in order.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from components.errors import ConfigError
from components.files.digests import file_digest
from components.nodes.node_context import Component, NodeContext
from components.own_code import code_permission
from components.own_code.own_code import OwnCode, OwnCodeSettings
from components.own_code.own_program import OwnProgram
from components.stage_settings import FilePath, Unkeyed, key_values, marked

VERSION = 2
"""Version of the records that programs read, and of how their answers are read."""


class CommandSettings(OwnCodeSettings):
    """The program and the format of its input and output."""

    run: tuple[str, ...] = Field(min_length=1, description="the program and its arguments; no shell")
    format: Literal["jsonl", "text"] = Field(
        "jsonl", description="jsonl: an object per utterance in and out; text: a line of text in and out"
    )
    timeout: Unkeyed[float] = Field(
        60.0, gt=0, le=86400, description="seconds for one start, which reads 32 utterances; in no key"
    )
    also: tuple[FilePath, ...] = Field(
        (), description="files that decide the outputs, such as a script that is an argument"
    )

    @field_validator("run", mode="before")
    @classmethod
    def _require_list(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(f"expected a list such as [sed, s/a/b/], as there is no shell, found {value!r}")
        return value

    @property
    def sees_names(self) -> bool:
        """Whether its records name the nodes that they come from; lines of text do not."""
        return self.format == "jsonl"

    def key_parameters(self) -> dict[str, Any]:
        """Return the settings; files among the arguments by their roles."""
        roles = {path: role for role, path in marked(self, "file").items()}
        run = [Path(self.run[0]).name, *(roles.get(argument, argument) for argument in self.run[1:])]
        return key_values(self) | {"run": run}

    def resolve_paths(self, folder: Path) -> Self:
        """Resolve the program where it is a path, and the files beside it, also where they are arguments."""
        also = {path: str(folder / path) for path in self.also}
        program = self.run[0]
        if os.sep in program:
            program = str((folder / program).absolute())
        run = (program, *(also.get(argument, argument) for argument in self.run[1:]))
        return self.model_copy(update={"run": run, "also": tuple(also.values())})

    @model_validator(mode="after")
    def _check_format(self) -> CommandSettings:
        if self.format == "text" and self.output == "speech":
            raise ValueError("format: expected jsonl where a program gives speech, found text")
        return self


class Command(OwnCode[CommandSettings]):
    """Runs a program that reads and writes one line per utterance."""

    name = "command"
    summary = "a program of your own"
    settings = CommandSettings
    version = str(VERSION)

    @override
    def digests(self, settings: CommandSettings, context: NodeContext) -> dict[str, str]:
        """Return the digest of the program."""
        return {"program": file_digest(find_program(settings))}

    @override
    def check(self, settings: CommandSettings, context: NodeContext) -> None:
        """Check that the program may run and is there, and that the key has the files that it is given."""
        code_permission.require_permission(settings.run[0])
        find_program(settings)
        named = {Path(path).resolve() for path in settings.also}
        files = [path for path in settings.run[1:] if Path(path).is_file()]
        if missing := [path for path in files if Path(path).resolve() not in named]:
            raise ConfigError(
                f"also: expected {', '.join(missing)}, since what stands in a file decides the outputs, "
                "found none of that name"
            )

    @override
    def build(self, settings: CommandSettings, context: NodeContext) -> Component:
        """Return the program, which is started for each batch."""
        code_permission.require_permission(settings.run[0])
        command = (str(find_program(settings)), *settings.run[1:])
        lines = settings.format == "text"
        return OwnProgram(command, context, settings.output, settings.branches, settings.timeout, lines=lines)


def find_program(settings: CommandSettings) -> Path:
    """Return the path of the program.

    Raises:
        ConfigError: it is not on PATH.
    """
    path = shutil.which(settings.run[0])
    if path is None:
        raise ConfigError(f"expected a program {settings.run[0]}, found none on PATH; install it")
    return Path(path).absolute()  # a link may say what the program does
