"""Loading what a user names (a manifest, a named set, parallel text, recordings) as a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from components.data.changes import are_here
from components.data.dataset import Dataset
from components.data.files.drafts import Draft
from components.data.files.formats import FORMATS
from components.data.files.manifests import read_manifest
from components.data.files.named_sets import (
    NAMED,
    PARAGRAPHS,
    SAMPLES,
    find_multi30k_files,
    open_multi30k,
    open_parallel,
    split_file_list,
)
from components.data.files.sources import Source, find_source
from components.data.folds import parse_fold
from components.data.named_set import is_named, locate_named
from components.data.recordings import find_recordings, guess_seconds, path_exists
from components.data.row_building import build_rows
from components.data.row_reader import DraftedRow, RowReader, count_pieces
from components.errors import ConfigError, DataError
from components.files.locations.location import file_name_of
from components.text.suggestions import did_you_mean


class OpenedSet(NamedTuple):
    """A data set that is open: what makes its rows, these, and the name that it goes by.

    ``reader.notes`` has lines for the user once all rows are read.
    """

    reader: RowReader
    rows: Iterator[DraftedRow]
    name: str


def load(
    source: str,
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
    format: str | None = None,  # noqa: A002 - the word users know
) -> Dataset:
    """Load a data set whole.

    Args:
        source: path of a manifest, a named set (see ``NAMED``) or parallel text ``path.en,path.de``.
        source_language: of records that state none; records that state another are left out.
        target_language: overrides the records' own, and chooses among their references.
        limit: takes the first records only (of a fold: of the data set that it is a part of).
        format: a key of ``FORMATS``; overrides what content and extension say.

    Raises:
        DataError: Nothing can be read.
        ConfigError: An argument is wrong.
    """
    opened = open_set(
        source, source_language=source_language, target_language=target_language, limit=limit, format=format
    )
    return _load_whole(opened)


def _load_whole(opened: OpenedSet) -> Dataset:
    pieces: Counter[str] = Counter()
    rows = build_rows(list(count_pieces(opened.rows, pieces)))
    cut = (
        f"document {ascii(name)[:80]} in {n} pieces, each of which counts as a document: put its records "
        "one after another"
        for name, n in pieces.items()
        if n > 1
    )
    return Dataset(opened.name, tuple(rows), (*opened.reader.notes, *cut))


def open_set(
    source: str,
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
    format: str | None = None,  # noqa: A002 - the word users know
) -> OpenedSet:
    """Open a data set, whose rows are read as they are asked for; see :func:`load`."""
    if format is not None and format not in FORMATS:
        hint = did_you_mean(format, FORMATS)
        raise ConfigError(f"format: expected one of {', '.join(FORMATS)}, found {format!r}{hint}")
    _check_limit(limit)
    if fold := parse_fold(source):
        whole = open_set(
            fold.source,
            source_language=source_language,
            target_language=target_language,
            limit=limit,
            format=format,
        )
        return OpenedSet(whole.reader, fold.take(whole.rows, source), source)
    if is_named(source):
        located = locate_named(source, source_language, target_language)
        return open_set(
            located.source,
            source_language=located.source_language,
            target_language=located.target_language,
            limit=limit,
            format=format,
        )._replace(name=source)
    if source.startswith("multi30k:"):
        return OpenedSet(*open_multi30k(source, source_language, target_language, limit), source)
    if source.startswith(PARAGRAPHS):
        source, format = source.removeprefix(PARAGRAPHS), "paragraphs"  # noqa: A001
    named = find_source(source)
    path = SAMPLES if source == "sample" else Path(source)
    if named is None and source != "sample" and not path_exists(path):
        files = _require_parallel_files(source)
        reader, rows = open_parallel(files, source=source_language, target=target_language, limit=limit)
        return OpenedSet(reader, rows, reader.name)
    if named is None:
        if path.is_dir():
            raise DataError(
                f"{source}: expected a file, found a folder; recordings in it are --audio {quote(source)}"
            )
        named = Source(source if source == "sample" else path.stem, (str(path),))
    reader = RowReader(named.name, "", source_language, target_language)
    return OpenedSet(reader, read_manifest(reader, named, format, limit), named.name)


def from_audio(
    paths: str | Sequence[str],
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
) -> Dataset:
    """Load recordings, one utterance per audio file; files that cannot be read are quarantined.

    Args:
        paths: files, folders, or patterns such as ``talks/*.wav``; in one text, a line each.
        source_language: that is spoken in them; None: to be detected.
        target_language: to translate into.
        limit: takes the first files only.

    Raises:
        DataError: A path names no file.
        ConfigError: ``limit`` is below 1.
    """
    return _load_whole(
        open_audio(paths, source_language=source_language, target_language=target_language, limit=limit)
    )


def open_audio(
    paths: str | Sequence[str],
    *,
    source_language: str | None = None,
    target_language: str | None = None,
    limit: int | None = None,
) -> OpenedSet:
    """Open recordings as a data set; see :func:`from_audio`."""
    _check_limit(limit)
    files = find_recordings(paths)
    names = {file: os.fsencode(file).decode("utf-8", "backslashreplace") for file in files}
    folder = paths if isinstance(paths, str) else paths[0]
    is_folder = path_exists(Path(folder)) and Path(folder).is_dir()
    name = Path(folder).resolve().name if is_folder else Path(file_name_of(names[files[0]])).stem
    reader = RowReader(name, "", source_language, target_language)

    def read() -> Iterator[DraftedRow]:
        for file, name in islice(names.items(), limit):
            yield from reader.read(Draft(audio=file, likely_seconds=guess_seconds(file)), name, name)

    return OpenedSet(reader, read(), reader.name)


def check(source: str, source_language: str | None = None, target_language: str | None = None) -> None:
    """Refuse a data set that does not exist, or whose first record cannot be read. DataError."""
    if fold := parse_fold(source):
        check(fold.source, source_language, target_language)
        return
    if is_named(source):
        source, source_language, target_language = locate_named(source, source_language, target_language)
    if source.startswith("multi30k:"):
        find_multi30k_files(source, source_language, target_language)
        return
    if named := find_source(source.removeprefix(PARAGRAPHS)):
        named.check()
        return
    path = SAMPLES if source == "sample" else Path(source.removeprefix(PARAGRAPHS))
    if not path_exists(path):
        for file in _require_parallel_files(source):
            if not path_exists(file):
                raise DataError(f"{source}: expected the file {file}, found none; check the path")
        return
    opened = open_set(source, source_language=source_language, target_language=target_language, limit=1)
    next(opened.rows, None)


def begins_written(source: str) -> bool:
    """Return whether a data set is here and its first record has no speech."""
    if fold := parse_fold(source):
        return begins_written(fold.source)
    with suppress(DataError):  # which check raises
        if is_named(source):
            source = locate_named(source, None, None).source
        row = next(open_set(source, limit=1).rows, None) if are_here(source, None) else None
        return row is not None and row.draft is not None and row.draft.audio is None
    return False


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
    """Return a file beside what was named, or a named set, that was probably meant."""
    try:
        beside = [str(file) for file in Path(source).parent.iterdir()]
    except (OSError, ValueError):
        beside = []
    return did_you_mean(source, ["sample", *beside], cutoff=0.75)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected at least 1, found {limit}")
