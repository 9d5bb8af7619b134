"""Flags of the commands that write texts, and what they mean together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from components.errors import ConfigError
from components.export.format_names import LIBRARIES, TextFormat, require_library
from flows.cli.help.signatures import set_signature

if TYPE_CHECKING:
    from components.export.format import ExportSettings

STANDARD_OUTPUT = "-"

Formats = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"{', '.join(get_args(TextFormat))}; several with commas. By the ending of --out if omitted, "
        "else txt",
    ),
]
OutPath = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR|FILE|-", help="folder, or one file such as talk.de.srt; - prints it"),
]
Bilingual = Annotated[bool, typer.Option("--bilingual", help="translations with their source above them")]
MarkBelow = Annotated[
    float | None,
    typer.Option(
        "--confidence",
        metavar="P",
        min=0,
        max=1,
        help="mark words whose confidence is below P, such as 0.5 (color; [?] in text)",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="overwrite files that hold something else")]
ForEdit = Annotated[
    bool, typer.Option("--for-edit", help="one node's texts, to be corrected by hand: tsv, docx or srt")
]
Rules = dict[str, float | None]
"""The rules of subtitles by name, as they stand in ``SubtitleRules``."""
RULES: dict[str, tuple[type, str, str]] = {
    "max_line_width": (int, "N", "columns of a line (42)"),
    "max_lines": (int, "N", "lines (2)"),
    "min_seconds": (float, "S", "shown at least (1)"),
    "max_seconds": (float, "S", "shown at most (7)"),
    "max_reading_speed": (float, "N", "columns a second to read (17)"),
    "min_gap": (float, "S", "seconds between two (0.083)"),
}
"""Type, metavar and help of the flag of each rule."""


def with_rules(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each rule of subtitles in the place of its parameter ``rules``."""
    flags = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                kind | None,
                typer.Option(f"--{name.replace('_', '-')}", metavar=metavar, help=f"subtitles: {text}"),
            ],
        )
        for name, (kind, metavar, text) in RULES.items()
    ]
    parameters: list[Parameter] = []
    for parameter in signature(command, eval_str=True).parameters.values():
        parameters += flags if parameter.name == "rules" else [parameter]

    @wraps(command)
    def wrapper(**values: Any) -> None:
        command(rules={name: values.pop(name) for name in RULES}, **values)

    set_signature(wrapper, parameters)
    return wrapper


def formats_of(written: str | None, out: str | None) -> list[TextFormat]:
    """Return the formats that ``--format`` names, else that of the file ``--out``, else plain text.

    Raises:
        ConfigError: there is no such format, or the file's ending says another, or one that there is not; or
            the library of one is missing.
    """
    formats = _formats_of(written, out)
    for form in formats:
        require_library(form)
    return formats


def refuse_binary_output(formats: Sequence[TextFormat]) -> None:
    """Refuse to show in a terminal what is no text. Raises ConfigError."""
    binary = [form for form in formats if form in LIBRARIES]
    if binary and sys.stdout.isatty():
        raise ConfigError(f"--format {binary[0]}: expected --out FILE.{binary[0]} or a folder, found none")


def _formats_of(written: str | None, out: str | None) -> list[TextFormat]:
    known: tuple[TextFormat, ...] = get_args(TextFormat)
    ending = Path(out).suffix.removeprefix(".") if out not in (None, STANDARD_OUTPUT) else ""
    names = [name.strip() for name in (written or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f"--format: expected some of {', '.join(known)}, found {name!r}")
    if not names:
        is_folder = out is not None and (out.endswith("/") or Path(out).is_dir())
        if ending.isalpha() and ending not in known and not is_folder:
            endings = ", ".join(f".{form}" for form in known)
            raise ConfigError(
                f"--out: expected a folder or a file {endings}, found {out}; a folder has / at its end"
            )
        return [form for form in known if form == ending] or ["txt"]
    if ending in known and names != [ending]:
        raise ConfigError(f"--out: expected a file .{names[0]} or a folder, found {out}; leave --format out")
    return [form for form in known if form in names]


def settings_of(rules: Rules, *, bilingual: bool, low: float | None) -> ExportSettings:
    """Return the settings of an export; rules that are None keep their defaults.

    Raises:
        ConfigError: a rule is out of bounds.
    """
    from components.export.format import ExportSettings
    from components.export.subtitles.rules import SubtitleRules
    from flows.parameters.faults import check_values

    checked = check_values(SubtitleRules, {k: v for k, v in rules.items() if v is not None})
    return ExportSettings(checked, bilingual, low)


def single_file(out: str | None, formats: Sequence[TextFormat]) -> Path | None:
    """``--out``, where it is one file: its ending is a format, and no folder has its name."""
    if out is None or out == STANDARD_OUTPUT or Path(out).is_dir():
        return None
    return Path(out) if Path(out).suffix.removeprefix(".") in formats else None
