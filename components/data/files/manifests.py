"""A manifest, plain text or subtitles -> a data set: the format of a file, and its records."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from components.data.files.format import DATA_FORMATS, Format, SourceFile
from components.data.files.formats import FORMATS
from components.data.files.language_names import language_ending
from components.data.files.parsing import RecordError, csv_splitter, read_json_rows, read_lines, tsv_splitter
from components.data.files.sources import Source
from components.data.recordings import RECORDING_EXTENSIONS
from components.data.row_reader import DraftedRow, RowReader
from components.errors import DataError
from components.files.locations.location import file_name_of, folder_of, show_location
from components.text.counted_nouns import format_count

EXTENSIONS = {".tsv": "tsv", ".csv": "csv"}
COVOST = re.compile(r"covost_v2\.([a-z]{2}(?:-[A-Za-z]{2})?)_([a-z]{2}(?:-[A-Za-z]{2})?)\.")
LOOK_AHEAD = 100
"""Records read to find out the format of a JSONL file."""
_SYNONYMS = (
    ("references", "answer", "translation", "translations", "target", "tgt", "reference", "ref"),
    ("source_language", "lang", "language", "locale"),
    ("text", "sentence", "src", "source"),
    ("audio", "file", "path", "wav", "audio_path", "audio_filepath"),
)
"""What formats call the same thing, which no spelling tells."""


def read_manifest(
    reader: RowReader, source: Source, name: str | None, limit: int | None
) -> Iterator[DraftedRow]:
    """Yield the rows of the files of a data set.

    Args:
        reader: makes them.
        source: the files.
        name: a key of ``FORMATS``; None: what content and extension say.
        limit: takes the first records only.

    Raises:
        DataError: A file cannot be read, or none has a record.
    """
    ignored = Counter[str]()
    stated = reader.source_language, reader.target_language
    form = None
    for number in range(len(source.files)):
        if limit is not None and reader.count >= limit:
            break
        reader.source_language, reader.target_language = stated
        form = FORMATS[name or source.format or _detect_format(source.files[number])]
        yield from _read_file(reader, source, number, form, limit, ignored)
    if not reader.count and not reader.skipped:
        summary = "" if form is None else f"; {form.summary}"
        raise DataError(f"{show_location(source.files[0])}: expected records, found none{summary}")
    if form is not None:
        reader.notes += _note_ignored_fields(ignored, form)
    reader.note_skipped()


def _read_file(
    reader: RowReader,
    source: Source,
    number: int,
    manifest_format: Format,
    limit: int | None,
    ignored: Counter[str],
) -> Iterator[DraftedRow]:
    """Yield the rows of one file; count fields that are ignored."""
    path = source.files[number]
    file_name = Path(file_name_of(path))
    reader.folder = folder_of(path)
    if match := COVOST.match(file_name.name):
        reader.source_language = reader.source_language or match[1]
        reader.target_language = reader.target_language or match[2]
    if manifest_format.language_of is not None:
        reader.source_language = reader.source_language or manifest_format.language_of(file_name)
        if reader.source_language is None:
            raise DataError(
                f"{show_location(path)}: expected the source language of plain text, found none; state it"
            )
    languages = (reader.source_language, reader.target_language)
    reader.cursor.context = str((manifest_format.identifying_fields, file_name.name, languages))
    file = SourceFile(path, number, source.archives, reader.source_language, cursor=reader.cursor)
    known, name = frozenset(manifest_format.known_fields), file_name.name
    for row in manifest_format.read(file):
        if limit is not None and reader.count >= limit:
            break
        where = f"{name}:{row.line}"
        if isinstance(row.content, RecordError):
            yield from reader.refuse(row.content, where)
            continue
        if unknown := row.content.keys() - known:
            ignored.update(unknown)
        try:
            draft = manifest_format.convert(row.content)
        except RecordError as error:
            yield from reader.refuse(error, where, reader.usable_id(row.content.get("id")))
        else:
            yield from reader.read(draft, where, where)
    reader.notes += file.notes


def _note_ignored_fields(ignored: Counter[str], form: Format) -> Iterator[str]:
    for name, count in sorted(ignored.items()):
        meant = _guess_field(name, form)
        hint = f"; meant {meant!r}?" if meant else ""
        yield f"field {ascii(name)[:80]} ignored in {format_count(count, 'record')}{hint}"


def _guess_field(name: str, form: Format) -> str | None:
    """Return the field that is meant, by meaning, then by spelling."""
    synonyms = [other for group in _SYNONYMS if name in group for other in group]
    close = difflib.get_close_matches(name[:64].lower(), form.known_fields, n=1, cutoff=0.75)
    return next((other for other in (*synonyms, *close) if other in form.known_fields), None)


def _detect_format(path: str) -> str:
    """Return the format's name by extension, or by the first lines."""
    shown, suffix = show_location(path), Path(file_name_of(path).removesuffix(".gz")).suffix.lower()
    if suffix in RECORDING_EXTENSIONS:
        raise DataError(f"{shown}: expected a manifest, found an audio file; give it as audio (--audio)")
    if named := next((key for key, form in DATA_FORMATS.items() if form.takes(file_name_of(path))), None):
        return named
    if suffix in EXTENSIONS:
        return _check_columns(path, EXTENSIONS[suffix])
    if language_ending(Path(file_name_of(path))):
        return "text"
    first = next((line for _, line in read_lines(path) if isinstance(line, str)), "")
    if suffix == ".json" and first.lstrip().startswith("["):
        raise DataError(f"{shown}: expected one JSON object per line, found a JSON array; write JSONL")
    if suffix in (".jsonl", ".ndjson", ".json", ".manifest") or first.lstrip().startswith("{"):
        return _detect_json_format(path)
    if "\t" in first:
        return _check_columns(path, "tsv")
    if suffix == ".txt":
        return "text"
    raise DataError(
        f"{shown}: expected one of {', '.join(FORMATS)}, found something else; name plain text NAME.txt or "
        "NAME.LANGUAGE"
    )


def _detect_json_format(path: str) -> str:
    for row in islice(read_json_rows(path), LOOK_AHEAD):
        if isinstance(row.content, dict):
            for name, form in FORMATS.items():
                if form.is_jsonl and any(mark in row.content for mark in form.identifying_fields):
                    return name
    return "antiphon"


def _check_columns(path: str, name: str) -> str:
    """Return ``name``, after a look at the header line."""
    form, header = FORMATS[name], next((line for _, line in read_lines(path)), "")
    if isinstance(header, str) and header:
        split = (tsv_splitter if name == "tsv" else csv_splitter)(header)
        with suppress(RecordError):  # which its reader tells
            columns = [cell.strip() for cell in split(header)]
            if not set(form.identifying_fields) & set(columns):
                raise DataError(f"{show_location(path)}:1: {_describe_columns(columns, form)}")
    return name


def _describe_columns(columns: Sequence[str], form: Format) -> str:
    """Return what is said of a header without a column that identifies a record."""
    *others, last = form.identifying_fields
    meant = [f"{column!r} to {field!r}" for column in columns if (field := _guess_field(column, form))]
    hint = f"rename {', '.join(meant)}" if meant else "the first line names the columns"
    return f"expected a column {', '.join(others)} or {last}, found {str(columns)[:200]}; {hint}"
