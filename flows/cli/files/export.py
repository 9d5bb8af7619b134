"""`antiphon export`: the texts of a finished run as files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from components.errors import ConfigError
from flows.cli.compute.run import EXIT_QUARANTINED
from flows.cli.files.export_targets import OUTPUT_FLAGS, refuse_binary_output, single_file
from flows.cli.files.for_edit import export_for_edit
from flows.cli.help.model_flags import Values, with_flags
from flows.cli.help.options import AsJson
from flows.cli.help.verbosity import Verbosity, print_notice, verbosity
from flows.parameters.written_texts import STANDARD_OUTPUT, ExportParameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.export.export import Export
    from components.export.format import ExportSettings
    from components.export.format_names import TextFormat
    from components.export.run_texts import RunTexts

PANEL = "Use"

MAX_LISTED = 20
"""Files or quarantined records that are named."""


@with_flags(
    ExportParameters, "node", *OUTPUT_FLAGS[:6], "for_edit", *OUTPUT_FLAGS[6:], "store", positional="run"
)
def export(values: Values, as_json: AsJson = False) -> None:
    r"""Write a run's texts as subtitles, documents or tables.

    There is a file per recording; times are the recording's.

    Files are named RECORDING.LANGUAGE.FORMAT and go into the folder RUN, unless --out says where. A table
    (tsv, jsonl, parquet) holds all recordings. docs/use/export.md has the columns and the rules of subtitles.

    For example:

    - `antiphon export RUN --format srt,vtt,txt` writes transcript and translation of every recording.

    - `antiphon export RUN --node mt --out talk.de.srt` writes one file.

    - `antiphon export RUN --format vtt --bilingual --confidence 0.5`: both languages, doubtful words marked.

    - `antiphon export RUN --node asr --for-edit`: a table to correct, which `antiphon edit` reads back (or
      `--format docx`: a Word document, or `--format srt`: subtitles).

    - `antiphon export RUN --node asr --format tsv --out - | column -t -s $'\t'`

    Exit codes: 0 done; 3 done, some records of the run are quarantined and have no text.
    """
    from flows.cli.compute.parameters.config_file import gather

    parameters = gather(ExportParameters, None, [], values)
    if parameters.for_edit:
        files = export_for_edit(parameters)
        if as_json:
            sys.stdout.write(json.dumps({"run": parameters.run, "files": list(map(str, files))}) + "\n")
        return
    texts, nodes = load_texts(parameters.run, parameters.node, parameters.store)
    out, formats = parameters.out or parameters.run, parameters.formats
    written = write_texts(texts, nodes, formats, parameters.settings, out, overwrite=parameters.overwrite)
    if out != STANDARD_OUTPUT:
        print_files(written.files)
    report(written)
    if as_json:
        sys.stdout.write(export_as_json(parameters.run, written) + "\n")
    raise typer.Exit(EXIT_QUARANTINED if written.quarantined else 0)


def load_texts(name: str, nodes: Sequence[str] | None, store_url: str | None) -> tuple[RunTexts, list[str]]:
    """Return the texts of a run, and the nodes that are asked for: its outputs if none is named.

    Raises:
        StoreError: no such run, or a damaged one.
        ConfigError: no such node, or a run that made no texts.
    """
    texts = open_texts(name, store_url)
    return texts, texts.select_nodes(nodes or ())


def open_texts(name: str, store_url: str | None) -> RunTexts:
    """Return the texts of a run.

    Raises:
        StoreError: no such run, or a damaged one.
        ConfigError: it compares others.
    """
    from components.export.run_texts import RunTexts
    from components.storage.store import Store

    run = Store(store_url).load_run(name)
    if run.systems:
        compared = ", ".join(run.systems.values())
        raise ConfigError(f"run {name} compares others: export one of them: {compared}")
    return RunTexts(run)


def write_texts(
    texts: RunTexts,
    nodes: Sequence[str],
    formats: Sequence[TextFormat],
    settings: ExportSettings,
    out: str,
    *,
    overwrite: bool,
) -> Export:
    """Write texts into a folder or a file, or print them.

    Raises:
        ConfigError: they are not one file, and one is asked for; or a file holds something else.
    """
    from components.export.export import Export, encode_single, write_run, write_single

    path = single_file(out, formats)
    if out != STANDARD_OUTPUT and path is None:
        return write_run(texts, nodes, formats, settings, Path(out), overwrite=overwrite)
    if len(formats) > 1:
        raise ConfigError(f"--format: expected one for {out}, found {', '.join(formats)}; name a folder")
    if path is not None:
        return write_single(texts, nodes, formats[0], settings, path, overwrite=overwrite)
    refuse_binary_output(formats)
    print_content(encode_single(texts, nodes, formats[0], settings).content)
    return Export(quarantined=texts.missing_from(nodes))


def print_content(content: bytes) -> None:
    """Print what would stand in a file: the same bytes, but for what a terminal would take for commands."""
    from components.text.escaping import to_printable

    sys.stdout.flush()
    printable = to_printable(content.decode(errors="replace")).encode() if sys.stdout.isatty() else content
    sys.stdout.buffer.write(printable)
    sys.stdout.flush()


def print_files(files: Sequence[Path]) -> None:
    """Print the paths of files, the first of many."""
    for path in files[:MAX_LISTED]:
        sys.stdout.write(f"{path}\n")
    if len(files) > MAX_LISTED:
        sys.stdout.write(f"... {len(files):,} files in {files[0].parent}\n")


def report(written: Export) -> None:
    """Say on standard error which rules subtitles do not keep, and which records have no text."""
    if written.check is not None and verbosity() > Verbosity.QUIET:
        print_notice(written.check.describe())
    for bad in written.quarantined[:MAX_LISTED]:
        line = f"{bad.utterance_id}: no text: {bad.stage}: {bad.reason}: {bad.detail}"
        print_notice(" ".join(line.split()))
    if len(written.quarantined) > MAX_LISTED:
        print_notice(f"... {len(written.quarantined):,} records have no text")


def export_as_json(run: str, written: Export) -> str:
    """Return what was written of a run, as ``--json`` prints it."""
    line = {
        "run": run,
        "files": [str(path) for path in written.files],
        "subtitles": written.check and written.check.model_dump(mode="json"),
        "quarantined": [bad.model_dump(mode="json") for bad in written.quarantined],
    }
    return json.dumps(line)
