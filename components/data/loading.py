"""From what a user names to a data set."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from components.data.building import Builder
from components.data.dataset import Dataset
from components.data.formats import FORMATS, Draft, Format
from components.data.named import NAMED, SAMPLES, multi30k, multi30k_files, parallel, parallel_files
from components.data.parsing import RecordError, json_rows, lines, text_rows
from components.errors import ConfigError, DataError

EXTENSIONS = {".tsv": "tsv", ".csv": "csv"}
AUDIO_EXTENSIONS = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".m4a", ".mp4", ".aac")
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
    """Load a manifest, a named set (see ``NAMED``) or parallel text ``path.en,path.de``.

    ``source_language`` is the language of records that state none and leaves out those that state another;
    ``target_language`` overrides the records' and chooses among their references; ``limit`` takes the first
    records; ``format`` (a key of ``FORMATS``) overrides what content and extension say.
    Raises :class:`DataError` when nothing can be read, :class:`ConfigError` for wrong arguments.
    """
    if format is not None and format not in FORMATS:
        raise ConfigError(f"format: expected one of {', '.join(FORMATS)}, found {format!r}")
    _check_limit(limit)
    if source.startswith("multi30k:"):
        return multi30k(source, source_language, target_language, limit)
    path = SAMPLES if source == "sample" else Path(source)
    if source != "sample" and not _exists(path):
        files = _parallel(source)
        return parallel(files, source=source_language, target=target_language, limit=limit)
    name = source if source == "sample" else path.stem
    return _manifest(Builder(name, path.parent, source_language, target_language), path, format, limit)


def from_audio(
    paths: str | Sequence[str],
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
) -> Dataset:
    """One utterance per audio file. A path may be a pattern such as ``talks/*.wav``.

    ``limit`` takes the first files. Files that cannot be read are quarantined; a path that names nothing is a
    :class:`DataError`.
    """
    _check_limit(limit)
    given = [paths] if isinstance(paths, str) else list(paths)
    files = [file for path in given for file in _expanded(path)]
    if not files:
        raise DataError("expected at least one audio file, found none")
    names = {file: os.fsencode(file).decode("utf-8", "backslashreplace") for file in files}
    builder = Builder(Path(names[files[0]]).stem, Path(), source_language, target_language)
    for file, name in islice(names.items(), limit):
        builder.add(Draft(audio=file), name, name)
    return builder.dataset(iter(()))


def check(source: str, source_language: str | None = None, target_language: str | None = None) -> None:
    """Refuse a data set that is not there, without reading it. DataError."""
    if source.startswith("multi30k:"):
        multi30k_files(source, source_language, target_language)
    elif source != "sample" and not _exists(Path(source)):
        for file in _parallel(source):
            if not _exists(file):
                raise DataError(f"{source}: expected the file {file}, found none; check the path")


def check_audio(path: str) -> None:
    """Refuse a recording, or a pattern of recordings, that is not there. DataError."""
    _expanded(path)


def _parallel(source: str) -> list[Path]:
    files = parallel_files(source)
    if files is None:
        known = ", ".join(NAMED)
        raise DataError(
            f"{source}: expected a manifest, PATH.en,PATH.de or one of {known}; found no such file"
        )
    return files


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected at least 1, found {limit}")


def _expanded(path: str) -> list[str]:
    if _exists(Path(path)):
        return [path]
    found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - absolute patterns too
    if not found:
        raise DataError(f"{path}: expected an audio file or a pattern of files, found none; check the path")
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _manifest(builder: Builder, path: Path, name: str | None, limit: int | None) -> Dataset:
    name = name or _detected(path)
    form = FORMATS[name]
    if match := COVOST.match(path.name):
        builder.source_language = builder.source_language or match[1]
        builder.target_language = builder.target_language or match[2]
    if form.read is text_rows:
        builder.source_language = builder.source_language or _language_of(path)
        if builder.source_language is None:
            raise DataError(f"{path}: expected the source language of plain text, found none; state it")
    ignored: Counter[str] = Counter()
    for row in form.read(path):
        if limit is not None and builder.records >= limit:
            break
        where = f"{path.name}:{row.line}"
        if isinstance(row.content, RecordError):
            builder.fault(row.content, where)
            continue
        ignored.update(field for field in row.content if field not in form.known)
        try:
            draft = form.convert(row.content)
        except RecordError as error:
            builder.fault(error, where, builder.free(row.content.get("id")))
        else:
            builder.add(draft, where, where)
    if not builder.records and not builder.left_out:
        raise DataError(f"{path}: expected records, found none; {form.summary}")
    return builder.dataset(_remarks(ignored, form))


def _remarks(ignored: Counter[str], form: Format) -> Iterator[str]:
    for name, count in sorted(ignored.items()):
        close = difflib.get_close_matches(name[:64], form.known, n=1)
        hint = f"; meant {close[0]!r}?" if close else ""
        yield f"field {ascii(name)[:80]} ignored in {count} records{hint}"


def _detected(path: Path) -> str:
    """The format's name by extension, or by the first lines."""
    suffix = path.suffix.lower()
    if suffix in AUDIO_EXTENSIONS:
        raise DataError(f"{path}: expected a manifest, found an audio file; give it as audio (--audio)")
    if suffix in EXTENSIONS:
        return _with_columns(path, EXTENSIONS[suffix])
    if _language_of(path):
        return "text"
    first = next((line for _, line in lines(path) if isinstance(line, str)), "")
    if suffix == ".json" and first.lstrip().startswith("["):
        raise DataError(f"{path}: expected one JSON object per line, found a JSON array; write JSONL")
    if suffix in (".jsonl", ".ndjson", ".json", ".manifest") or first.lstrip().startswith("{"):
        return _json_format(path)
    if "\t" in first:
        return _with_columns(path, "tsv")
    if suffix == ".txt":
        return "text"
    raise DataError(
        f"{path}: expected one of {', '.join(FORMATS)}, found something else; name plain text NAME.txt or "
        "NAME.LANGUAGE"
    )


def _language_of(path: Path) -> str | None:
    """The language that a file of plain text has as its extension: two letters, as in ``talk.it``."""
    suffix = path.suffix.removeprefix(".")
    return suffix if len(suffix) == 2 and suffix.isascii() and suffix.isalpha() else None


def _json_format(path: Path) -> str:
    for row in islice(json_rows(path), LOOK_AHEAD):
        if isinstance(row.content, dict):
            for name, form in FORMATS.items():
                if form.read is json_rows and any(mark in row.content for mark in form.marks):
                    return name
    return "antiphon"


def _with_columns(path: Path, name: str) -> str:
    """``name``, after a look at the header line."""
    separator = "\t" if name == "tsv" else ","
    header = next((line for _, line in lines(path)), "")
    if isinstance(header, str) and header:
        columns = [cell.strip().strip('"') for cell in header.split(separator)]
        if not set(FORMATS[name].marks) & set(columns):
            wanted = " or ".join(FORMATS[name].marks)
            raise DataError(f"{path}:1: expected a header with {wanted}, found {ascii(columns)[:120]}")
    return name
