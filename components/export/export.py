"""Writing the texts of a run as files in a folder, or as one file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import ConfigError
from components.export.cues import Cue
from components.export.formats import FORMATS, ExportSettings, TextFile, TextFormat, encode_files
from components.export.rule_check import RuleCheck, check_rules
from components.export.run_texts import RunTexts
from components.files import write_bytes
from components.records import Quarantined


@dataclass
class Export:
    """What was written: the files, what of the rules their subtitles do not keep, and what is missing."""

    files: list[Path] = field(default_factory=list)
    check: RuleCheck | None = None
    quarantined: list[Quarantined] = field(default_factory=list)


def encode_run(
    texts: RunTexts, nodes: Sequence[str], formats: Sequence[TextFormat], settings: ExportSettings
) -> Iterator[tuple[str, TextFile]]:
    """The files of several nodes, each with a name that no other has.

    Raises:
        ConfigError: only subtitles are asked for, and nothing in the data is spoken.
    """
    subtitles = [form for form in formats if FORMATS[form].is_subtitle]
    if len(subtitles) == len(formats) and not texts.is_spoken:
        raise ConfigError(
            f"format {subtitles[0]}: expected speech, found texts without times; choose txt, tsv, "
            "jsonl or json"
        )
    used: set[str] = set()
    for node in nodes:
        for file in encode_files(texts.texts_of(node), formats, settings, texts.set_name):
            stem, label, form = file.parts
            options = [f"{stem}.{label}.{form}", f"{stem}.{node}.{label}.{form}"]
            options += [f"{stem}.{node}.{label}-{n}.{form}" for n in range(2, len(used) + 3)]
            name = next(option for option in options if option.casefold() not in used)
            used.add(name.casefold())
            yield name, file


def write_run(
    texts: RunTexts,
    nodes: Sequence[str],
    formats: Sequence[TextFormat],
    settings: ExportSettings,
    folder: Path,
) -> Export:
    """Write the texts of nodes into a folder, a file per recording and format, one for all of a table.

    Raises:
        ConfigError: nothing of them can be written in the formats.
        StoreError: the disk is full, or nothing may be written there.
    """
    export, subtitles = Export(quarantined=list(texts.quarantined.values())), list[Sequence[Cue]]()
    for name, file in encode_run(texts, nodes, formats, settings):
        write_bytes(folder / name, file.content)
        export.files.append(folder / name)
        if file.cues:
            subtitles.append(file.cues)
    if any(FORMATS[form].is_subtitle for form in formats):
        export.check = check_rules(subtitles, settings.rules)
    return export


def write_single(
    texts: RunTexts, nodes: Sequence[str], form: TextFormat, settings: ExportSettings, path: Path | None
) -> tuple[Export, bytes]:
    """The texts as one file, written to ``path`` where there is one; returns its content, too.

    Raises:
        ConfigError: they are several files.
        StoreError: the file cannot be written.
    """
    files = []
    for name, file in encode_run(texts, nodes, [form], settings):
        files.append((name, file))
        if len(files) > 1:
            raise ConfigError(
                f"--out: expected one text for one file, found several ({files[0][0]}, {name} ...); "
                "name a folder, or one node (--node)"
            )
    if not files:
        raise ConfigError(f"format {form}: expected texts, found none in run {texts.run.name}")
    _, file = files[0]
    export = Export(quarantined=list(texts.quarantined.values()))
    if path is not None:
        write_bytes(path, file.content)
        export.files.append(path)
    if FORMATS[form].is_subtitle:
        export.check = check_rules([file.cues], settings.rules)
    return export, file.content
