"""Parquet and Arrow files: a row is a record; sounds that lie in them are left where they are.

Hugging Face's ``datasets`` keeps a sound as a structure of ``bytes`` and ``path`` (its ``Audio`` feature).
Only columns of texts are read here; a sound is opened by its row, ``part-0.parquet#audio/12``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from components.data.files.archives.webdataset import (
    LANGUAGES,
    REFERENCES,
    SPEAKERS,
    TARGET_LANGUAGES,
    TRANSCRIPTS,
)
from components.data.files.drafts import Draft
from components.data.files.field_readers import read_first, read_references, read_string
from components.data.files.format import Format, SourceFile
from components.data.files.parsing import MAX_LINE_BYTES, Fields, RecordError, Row
from components.errors import DataError
from components.files.locations.location import absolute_location, file_name_of
from components.files.locations.opening import open_archive
from components.files.locations.table_sounds import read_batches, read_schema

if TYPE_CHECKING:
    from pyarrow import DataType, Schema

SOUNDS = ("audio", "speech", "wav", "flac", "mp3", "recording", "sound")
PATHS = ("audio_filepath", "audio", "path", "file", "audio_path", "wav")
"""Columns with the location of a recording, where no sound lies in the file."""
TEXTS = (*TRANSCRIPTS, *LANGUAGES, *TARGET_LANGUAGES, "domain", "sha256")
NAMES = ("id", *SPEAKERS)
"""Columns that may hold numbers for names."""
KNOWN_FIELDS = (*TEXTS, *NAMES, *REFERENCES, *PATHS, *SOUNDS, "duration", "audio_location", "row")
ROWS_AT_ONCE = 512


class _Columns(NamedTuple):
    """The columns of a table that are read: that of the sound, that of its path, texts; and all others."""

    sound: str | None
    path: str | None
    texts: tuple[str, ...]
    others: tuple[str, ...]


def _read_rows(file: SourceFile) -> Iterator[Row]:
    """Yield the rows of a Parquet or Arrow file in order, some hundreds in memory at a time.

    Raises:
        DataError: It is damaged, or has neither sounds nor texts.
        ConfigError: pyarrow is not installed.
    """
    location = file.location
    path = open_archive(location)
    columns = _choose_columns(location, read_schema(location, path))
    read = [name for name in (columns.path, *columns.texts) if name is not None]
    # The sounds of an Arrow file are only mapped to memory, so that it costs nothing to see which are there.
    mapped = [columns.sound] if columns.sound is not None and location.endswith(".arrow") else []
    for first, batch in read_batches(location, path, [*read, *mapped], rows=ROWS_AT_ONCE):
        for at in range(len(batch)):
            fields: Fields = dict.fromkeys(columns.others)
            fields["row"] = f"{Path(file_name_of(location)).stem}-{first + at}"
            try:
                values = {name: _as_field(name, batch.column(name)[at].as_py()) for name in read}
            except UnicodeDecodeError as error:
                yield Row(first + at + 1, RecordError("unreadable record", f"expected UTF-8, found {error}"))
                continue
            if columns.sound is not None:
                stored = f"{absolute_location(location)}#{columns.sound}/{first + at}"
                values["audio_location"] = (
                    _path_of(batch.column(mapped[0])[at]) if mapped else None
                ) or stored
            elif columns.path is not None:
                values["audio_location"] = values[columns.path]
            yield Row(first + at + 1, _check_size(fields | values))


def _path_of(sound: Any) -> str | None:
    """Return the path of a sound that lies in a file of its own; None of one that lies in the table."""
    if "struct" not in str(sound.type) or not sound.is_valid or sound["bytes"].is_valid:
        return None
    return next((sound[key].as_py() for key in sound if key == "path"), None)


def _as_field(name: str, value: Any) -> Any:
    """Return a cell as JSON has it."""
    return str(value) if name in NAMES and isinstance(value, int) else value


def _check_size(fields: Fields) -> Fields | RecordError:
    size = sum(len(value) for value in fields.values() if isinstance(value, str))
    if size <= MAX_LINE_BYTES:
        return fields
    return RecordError(
        "unreadable record", f"expected at most {MAX_LINE_BYTES} letters, found {size}; shorten it"
    )


def _choose_columns(table: str, schema: Schema) -> _Columns:
    """Return what is read of a table."""
    types = {field.name: field.type for field in schema}
    texts = (
        *(name for name in TEXTS if name in types and _is_text(types[name])),
        *(name for name in NAMES if name in types and (_is_text(types[name]) or "int" in str(types[name]))),
        *(name for name in REFERENCES if name in types and "binary" not in str(types[name])),
    )
    sounds = [name for name, kind in types.items() if _holds_sound(kind)]
    sound = next((name for name in (*SOUNDS, *sounds) if name in sounds), None)
    path = None if sound else next((name for name in PATHS if name in types and _is_text(types[name])), None)
    if sound is None and path is None and not any(name in texts for name in TRANSCRIPTS):
        names = ", ".join(map(ascii, list(types)[:12]))
        raise DataError(
            f"{table}: expected a column of sounds ({', '.join(SOUNDS[:3])} with bytes) or of texts "
            f"({', '.join(TRANSCRIPTS[:4])}), found {names[:200]}; rename one"
        )
    others = tuple(name for name in types if name not in {sound, path, *texts, *KNOWN_FIELDS})
    return _Columns(sound, path, texts, others)


def _is_text(kind: DataType) -> bool:
    name = str(kind)
    return name in ("string", "large_string", "string_view") or name.startswith("dictionary<values=string")


def _holds_sound(kind: DataType) -> bool:
    """Return whether cells hold the bytes of a file, alone or as Hugging Face's ``Audio``."""
    if str(kind) in ("binary", "large_binary"):
        return True
    names = [kind.field(at).name for at in range(kind.num_fields)] if str(kind).startswith("struct<") else []
    return "bytes" in names and "binary" in str(kind.field(names.index("bytes")).type)


def _convert_row(fields: Fields) -> Draft:
    """Return the draft of a row: a text is a transcript where there is a sound, else the source."""
    audio = read_string(fields, "audio_location")
    text = read_first(fields, TRANSCRIPTS)
    references = next((read_references(fields, name) for name in REFERENCES if fields.get(name)), {})
    return Draft(
        id=read_first(fields, ("id",)) or fields["row"],
        audio=audio,
        sha256=read_first(fields, ("sha256",)),
        text=None if audio else text,
        transcript=text if audio else None,
        source_language=read_first(fields, LANGUAGES),
        target_language=read_first(fields, TARGET_LANGUAGES),
        references=references,
        domain=read_first(fields, ("domain",)),
        speaker=read_first(fields, SPEAKERS),
    )


FILES = ("*.parquet", "data/*.parquet", "data-*.arrow", "*.arrow")
"""Patterns of the files of a data set in its folder; the first that has any is taken."""


def _find_files(folder: str) -> list[str]:
    """Return the files of a folder; of several data sets in it one has to be named. DataError."""
    path = Path(folder)
    splits = sorted(child.name for child in path.iterdir() if (child / "dataset_info.json").is_file())
    if (path / "dataset_dict.json").is_file() and splits:
        raise DataError(
            f"{folder}: expected one data set, found {', '.join(splits)[:200]}; name {path / splits[0]}"
        )
    for pattern in FILES:
        files = sorted(file for file in path.glob(pattern) if not file.name.startswith("cache-"))
        names = sorted({re.split(r"-\d|\.", file.name)[0] for file in files})
        if len(names) > 1:
            raise DataError(
                f"{folder}: expected the files of one data set, found {', '.join(names)[:200]}; "
                f"name '{files[0].parent / names[0]}-*{files[0].suffix}'"
            )
        if files:
            return list(map(str, files))
    return []


TABLES = Format(
    summary="Parquet and Arrow files, and folders of Hugging Face's datasets: audio, text, language",
    identifying_fields=("audio", "text"),
    known_fields=KNOWN_FIELDS,
    read=_read_rows,
    convert=_convert_row,
    files=r"(?i:.*\.(parquet|arrow))",
    find_files=_find_files,
)
