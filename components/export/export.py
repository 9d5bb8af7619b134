"""Writing the texts of a run as files in a folder, or as one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from components.errors import ConfigError
from components.export.format import ExportSettings
from components.export.format_names import TextFormat
from components.export.formats import FORMATS, TextFile
from components.export.run_files import encode_run
from components.export.run_texts import RunTexts
from components.export.subtitles.cue import Cue
from components.export.subtitles.rule_check import RuleCheck, check_rules
from components.files.files import write_bytes
from components.records import Quarantined


@dataclass
class Export:
    """What was written: the files, what of the rules their subtitles do not keep, and what is missing."""

    files: list[Path] = field(default_factory=list)
    check: RuleCheck | None = None
    quarantined: list[Quarantined] = field(default_factory=list)


def write_run(
    texts: RunTexts,
    nodes: Sequence[str],
    formats: Sequence[TextFormat],
    settings: ExportSettings,
    folder: Path,
    *,
    overwrite: bool = False,
) -> Export:
    """Write the texts of nodes into a folder, a file per recording and format, one for all of a table.

    Raises:
        ConfigError: nothing of them can be written in the formats, or a file holds something else.
        StoreError: the disk is full, or nothing may be written there.
    """
    export, subtitles = Export(quarantined=texts.missing_from(nodes)), list[Sequence[Cue]]()
    for name, file in encode_run(texts, nodes, formats, settings):
        write_new(folder / name, file.content, overwrite=overwrite)
        export.files.append(folder / name)
        if file.cues:
            subtitles.append(file.cues)
    if any(FORMATS[form].is_subtitle for form in formats):
        export.check = check_rules(subtitles, settings.rules)
    return export


def write_single(
    texts: RunTexts,
    nodes: Sequence[str],
    form: TextFormat,
    settings: ExportSettings,
    path: Path,
    *,
    overwrite: bool = False,
) -> Export:
    """Write the texts as one file.

    Raises:
        ConfigError: they are several files or none, or the file holds something else.
        StoreError: the file cannot be written.
    """
    file = encode_single(texts, nodes, form, settings)
    write_new(path, file.content, overwrite=overwrite)
    check = check_rules([file.cues], settings.rules) if FORMATS[form].is_subtitle else None
    return Export([path], check, texts.missing_from(nodes))


def encode_single(
    texts: RunTexts, nodes: Sequence[str], form: TextFormat, settings: ExportSettings
) -> TextFile:
    """Return the texts as the one file that they are.

    Raises:
        ConfigError: they are several, or none.
    """
    files = list(islice(encode_run(texts, nodes, [form], settings), 2))
    if not files:
        raise ConfigError(f"format {form}: expected texts, found none in run {texts.run.name}")
    if len(files) > 1:
        names = ", ".join(name for name, _ in files)
        raise ConfigError(
            f"--out: expected one text for one file, found several ({names} ...); name a folder, or one node "
            "(--node)"
        )
    return files[0][1]


def write_new(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write a file, unless it is there; what a person may have corrected is not lost.

    Raises:
        ConfigError: it holds something else, and is not to be overwritten.
        StoreError: there is no space, or nothing may be written here.
    """
    if path.is_file() and not overwrite:
        if path.read_bytes() == content:
            return
        raise ConfigError(
            f"{path}: expected no such file, found one that holds something else; choose another --out, or "
            "--overwrite it"
        )
    write_bytes(path, content)
