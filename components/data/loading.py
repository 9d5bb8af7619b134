"""Loading what a user names (a manifest, a named set, parallel text, recordings) as a data set."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from components.counted_nouns import format_count
from components.data.dataset import Dataset
from components.data.drafts import Draft
from components.data.folds import parse_fold
from components.data.formats import FORMATS, Format
from components.data.named_sets import (
    NAMED,
    PARAGRAPHS,
    SAMPLES,
    find_multi30k_files,
    load_multi30k,
    load_parallel,
    split_file_list,
)
from components.data.parsing import (
    RecordError,
    read_json_rows,
    read_lines,
    read_paragraph_rows,
    read_text_rows,
)
from components.data.record_builder import RecordBuilder
from components.data.recordings import RECORDING_EXTENSIONS, find_recordings, path_exists
from components.data.subtitles import SUBTITLES, language_before_ending, read_subtitle_rows
from components.errors import ConfigError, DataError
from components.suggestions import did_you_mean

EXTENSIONS = {".tsv": "tsv", ".csv": "csv"}
COVOST = re.compile(r"covost_v2\.([a-z]{2}(?:-[A-Za-z]{2})?)_([a-z]{2}(?:-[A-Za-z]{2})?)\.")
LOOK_AHEAD = 100
"""Records read to find out the format of a JSONL file."""


def load(
    source: str,
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
    format: str | None = None,  # noqa: A002 - the word users know
) -> Dataset:
    """Load a data set.

    Args:
        source: Path of a manifest, a named set (see ``NAMED``) or parallel text ``path.en,path.de``.
        source_language: Of records that state none; records that state another are left out.
        target_language: Overrides the records' own, and chooses among their references.
        limit: Takes the first records only (of a fold: of the data set that it is a part of).
        format: A key of ``FORMATS``; overrides what content and extension say.

    Raises:
        DataError: Nothing can be read.
        ConfigError: An argument is wrong.
    """
    if format is not None and format not in FORMATS:
        hint = did_you_mean(format, FORMATS)
        raise ConfigError(f"format: expected one of {', '.join(FORMATS)}, found {format!r}{hint}")
    _check_limit(limit)
    if fold := parse_fold(source):
        whole = load(
            fold.source,
            source_language=source_language,
            target_language=target_language,
            limit=limit,
            format=format,
        )
        return fold.take(whole, source)
    if source.startswith("multi30k:"):
        return load_multi30k(source, source_language, target_language, limit)
    if source.startswith(PARAGRAPHS):
        source, format = source.removeprefix(PARAGRAPHS), "paragraphs"  # noqa: A001
    path = SAMPLES if source == "sample" else Path(source)
    if source != "sample" and not path_exists(path):
        files = _require_parallel_files(source)
        return load_parallel(files, source=source_language, target=target_language, limit=limit)
    name = source if source == "sample" else path.stem
    return _load_manifest(
        RecordBuilder(name, path.parent, source_language, target_language), path, format, limit
    )


def from_audio(
    paths: str | Sequence[str],
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
) -> Dataset:
    """A data set of recordings, one utterance per audio file; files that cannot be read are quarantined.

    Args:
        paths: Files, folders, or patterns such as ``talks/*.wav``; in one text, a line each.
        source_language: That is spoken in them; None: to be detected.
        target_language: To translate into.
        limit: Takes the first files only.

    Raises:
        DataError: A path names no file.
        ConfigError: ``limit`` is below 1.
    """
    _check_limit(limit)
    files = find_recordings(paths)
    names = {file: os.fsencode(file).decode("utf-8", "backslashreplace") for file in files}
    builder = RecordBuilder(Path(names[files[0]]).stem, Path(), source_language, target_language)
    for file, name in islice(names.items(), limit):
        builder.add(Draft(audio=file), name, name)
    return builder.build_dataset(iter(()))


def check(source: str, source_language: str | None = None, target_language: str | None = None) -> None:
    """Refuse a data set that does not exist, or whose first record cannot be read. DataError."""
    if fold := parse_fold(source):
        check(fold.source, source_language, target_language)
        return
    if source.startswith("multi30k:"):
        find_multi30k_files(source, source_language, target_language)
        return
    path = SAMPLES if source == "sample" else Path(source.removeprefix(PARAGRAPHS))
    if not path_exists(path):
        for file in _require_parallel_files(source):
            if not path_exists(file):
                raise DataError(f"{source}: expected the file {file}, found none; check the path")
        return
    if path.is_dir():
        raise DataError(f"{source}: expected a file, found a folder; recordings in it are --audio {path}")
    load(source, source_language=source_language, target_language=target_language, limit=1)


def check_audio(paths: str) -> None:
    """Refuse a recording that does not exist, or a folder or pattern without any. DataError."""
    find_recordings(paths)


def _require_parallel_files(source: str) -> list[Path]:
    files = split_file_list(source)
    if files is None:
        named_sets = ", ".join(NAMED)
        raise DataError(
            f"{source}: expected a manifest, PATH.en,PATH.de or one of {named_sets}; found no such file"
            f"{_near_source(source)}"
        )
    return files


def _near_source(source: str) -> str:
    """A file beside what was named, or a named set, that was probably meant."""
    try:
        beside = [str(file) for file in Path(source).parent.iterdir()]
    except (OSError, ValueError):
        beside = []
    return did_you_mean(source, ["sample", *beside], cutoff=0.75)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected at least 1, found {limit}")


def _load_manifest(builder: RecordBuilder, path: Path, name: str | None, limit: int | None) -> Dataset:
    name = name or _detect_format(path)
    manifest_format = FORMATS[name]
    if match := COVOST.match(path.name):
        builder.source_language = builder.source_language or match[1]
        builder.target_language = builder.target_language or match[2]
    is_subtitles = manifest_format.read is read_subtitle_rows
    if is_subtitles or manifest_format.read in (read_text_rows, read_paragraph_rows):
        named = language_before_ending(path) if is_subtitles else _extension_language(path)
        builder.source_language = builder.source_language or named
        if builder.source_language is None:
            raise DataError(f"{path}: expected the source language of plain text, found none; state it")
    ignored: Counter[str] = Counter()
    notes = list[str]()
    rows = (
        read_subtitle_rows(path, builder.source_language, notes)
        if is_subtitles
        else manifest_format.read(path)
    )
    for row in rows:
        if limit is not None and builder.n_records >= limit:
            break
        where = f"{path.name}:{row.line}"
        if isinstance(row.content, RecordError):
            builder.quarantine(row.content, where)
            continue
        ignored.update(field for field in row.content if field not in manifest_format.known_fields)
        try:
            draft = manifest_format.convert(row.content)
        except RecordError as error:
            builder.quarantine(error, where, builder.usable_id(row.content.get("id")))
        else:
            builder.add(draft, where, where)
    if not builder.n_records and not builder.skipped:
        raise DataError(f"{path}: expected records, found none; {manifest_format.summary}")
    return builder.build_dataset(iter([*notes, *_note_ignored_fields(ignored, manifest_format)]))


def _note_ignored_fields(ignored: Counter[str], form: Format) -> Iterator[str]:
    for name, count in sorted(ignored.items()):
        close = difflib.get_close_matches(name[:64], form.known_fields, n=1)
        hint = f"; meant {close[0]!r}?" if close else ""
        yield f"field {ascii(name)[:80]} ignored in {format_count(count, 'record')}{hint}"


def _detect_format(path: Path) -> str:
    """The format's name by extension, or by the first lines."""
    suffix = path.suffix.lower()
    if suffix in RECORDING_EXTENSIONS:
        raise DataError(f"{path}: expected a manifest, found an audio file; give it as audio (--audio)")
    if suffix in SUBTITLES:
        return "subtitles"
    if suffix in EXTENSIONS:
        return _check_columns(path, EXTENSIONS[suffix])
    if _extension_language(path):
        return "text"
    first = next((line for _, line in read_lines(path) if isinstance(line, str)), "")
    if suffix == ".json" and first.lstrip().startswith("["):
        raise DataError(f"{path}: expected one JSON object per line, found a JSON array; write JSONL")
    if suffix in (".jsonl", ".ndjson", ".json", ".manifest") or first.lstrip().startswith("{"):
        return _detect_json_format(path)
    if "\t" in first:
        return _check_columns(path, "tsv")
    if suffix == ".txt":
        return "text"
    raise DataError(
        f"{path}: expected one of {', '.join(FORMATS)}, found something else; name plain text NAME.txt or "
        "NAME.LANGUAGE"
    )


def _extension_language(path: Path) -> str | None:
    """The language that a file of plain text has as its extension: two letters, as in ``talk.it``."""
    suffix = path.suffix.removeprefix(".")
    return suffix if len(suffix) == 2 and suffix.isascii() and suffix.isalpha() else None


def _detect_json_format(path: Path) -> str:
    for row in islice(read_json_rows(path), LOOK_AHEAD):
        if isinstance(row.content, dict):
            for name, form in FORMATS.items():
                if form.read is read_json_rows and any(
                    mark in row.content for mark in form.identifying_fields
                ):
                    return name
    return "antiphon"


def _check_columns(path: Path, name: str) -> str:
    """``name``, after a look at the header line."""
    separator = "\t" if name == "tsv" else ","
    header = next((line for _, line in read_lines(path)), "")
    if isinstance(header, str) and header:
        columns = [cell.strip().strip('"') for cell in header.split(separator)]
        if not set(FORMATS[name].identifying_fields) & set(columns):
            expected = " or ".join(FORMATS[name].identifying_fields)
            raise DataError(f"{path}:1: expected a header with {expected}, found {ascii(columns)[:120]}")
    return name
