"""Flags of the commands that write texts, and what they mean together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from components.errors import ConfigError
from components.export.format_names import TextFormat

if TYPE_CHECKING:
    from components.export.formats import ExportSettings

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
        help="mark words whose confidence is below P, such as 0.5 (color in subtitles, [?] in text)",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="overwrite files that hold something else")]
ForEdit = Annotated[
    bool, typer.Option("--for-edit", help="one node's texts, to be corrected by hand: tsv, or srt")
]
LineWidth = Annotated[
    int | None, typer.Option("--max-line-width", metavar="N", help="subtitles: columns of a line (42)")
]
Lines = Annotated[int | None, typer.Option("--max-lines", metavar="N", help="subtitles: lines (2)")]
MinSeconds = Annotated[
    float | None, typer.Option("--min-seconds", metavar="S", help="subtitles: shown at least (1)")
]
MaxSeconds = Annotated[
    float | None, typer.Option("--max-seconds", metavar="S", help="subtitles: shown at most (7)")
]
ReadingSpeed = Annotated[
    float | None,
    typer.Option("--max-reading-speed", metavar="N", help="subtitles: columns a second to read (17)"),
]
Gap = Annotated[
    float | None, typer.Option("--min-gap", metavar="S", help="subtitles: seconds between two (0.083)")
]


def formats_of(written: str | None, out: str | None) -> list[TextFormat]:
    """The formats that ``--format`` names, else that of the file ``--out``, else plain text.

    Raises:
        ConfigError: there is no such format, or the file's ending says another.
    """
    known: tuple[TextFormat, ...] = get_args(TextFormat)
    ending = Path(out).suffix.removeprefix(".") if out not in (None, STANDARD_OUTPUT) else ""
    names = [name.strip() for name in (written or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigError(f"--format: expected some of {', '.join(known)}, found {name!r}")
    if not names:
        return [form for form in known if form == ending] or ["txt"]
    if ending in known and names != [ending]:
        raise ConfigError(f"--out: expected a file .{names[0]} or a folder, found {out}; leave --format out")
    return [form for form in known if form in names]


def settings_of(*, bilingual: bool, low: float | None, rules: dict[str, Any]) -> ExportSettings:
    """The settings of an export; rules that are None keep their defaults.

    Raises:
        ConfigError: a rule is out of bounds.
    """
    from pydantic import ValidationError

    from components.export.formats import ExportSettings
    from components.export.rules import SubtitleRules
    from flows.parameters.faults import describe_faults

    try:
        checked = SubtitleRules.model_validate({k: v for k, v in rules.items() if v is not None})
    except ValidationError as error:
        raise ConfigError("\n".join(describe_faults(SubtitleRules, error))) from None
    return ExportSettings(checked, bilingual, low)


def single_file(out: str | None, formats: Sequence[TextFormat]) -> Path | None:
    """``--out``, where it is one file: its ending is a format, and no folder has its name."""
    if out is None or out == STANDARD_OUTPUT or Path(out).is_dir():
        return None
    return Path(out) if Path(out).suffix.removeprefix(".") in formats else None
