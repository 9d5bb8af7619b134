"""The formats of text files, and all that packages bring: how a line is read and what its fields mean."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from functools import partial
from typing import Any

from components.data.files.drafts import Draft
from components.data.files.field_readers import (
    read_references,
    read_required,
    read_seconds,
    read_segments,
    read_string,
)
from components.data.files.format import DATA_FORMATS, Format
from components.data.files.language_names import language_ending
from components.data.files.parsing import (
    Fields,
    read_csv_rows,
    read_json_rows,
    read_paragraph_rows,
    read_text_rows,
    read_tsv_rows,
)

_AUDIO = ("audio", "offset", "duration", "sha256")
_TEXTS = ("id", "text", "transcript", "source_language", "target_language", "domain", "speaker", "document")


def _convert_antiphon(fields: Fields) -> Draft:
    values: dict[str, Any] = {name: read_string(fields, name) for name in _TEXTS if name in fields}
    if "references" in fields:
        values["references"] = read_references(fields, "references")
    if "segments" in fields:
        values["segments"] = read_segments(fields, "segments")
    if any(name in fields for name in _AUDIO):
        values |= _read_audio(fields)
    return Draft(**values)


def _read_audio(fields: Fields) -> dict[str, Any]:
    """Return what an object in ``audio`` says, or the fields beside it."""
    audio = fields.get("audio")
    audio_fields = audio if isinstance(audio, dict) else {}
    if audio is not None and not audio_fields:
        audio_fields = {"path": read_string(fields, "audio")}
    merged = {
        **audio_fields,
        **{name: fields[name] for name in ("offset", "duration", "sha256") if name in fields},
    }
    return {
        "audio": read_string(merged, "path"),
        "offset": read_seconds(merged, "offset") or 0.0,
        "duration": read_seconds(merged, "duration" if "duration" in merged else "seconds"),
        "sha256": read_string(merged, "sha256"),
    }


def _convert_table_row(fields: Fields) -> Draft:
    """By its columns. An empty cell is an absent field, as a table cannot leave one out."""
    cells = {_COLUMNS.get(name, name): cell for name, cell in fields.items() if cell}
    if sentence := cells.pop("sentence", None):
        cells.setdefault("transcript" if "audio" in cells else "text", sentence)
    return _convert_antiphon(cells | {name: _read_number(cells[name]) for name in _NUMBERS if name in cells})


def _read_number(cell: str) -> float | str:
    """Return the number of a cell, also with a decimal comma; the cell, to be refused, where it is none."""
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return cell


_NUMBERS = ("offset", "duration")
_ANTIPHON_FIELDS = (
    *("id", "audio", *_NUMBERS, "sha256", "text", "transcript", "source_language", "target_language"),
    *("references", "domain", "speaker", "document"),
)
_COLUMNS = {
    "path": "audio",
    "file": "audio",
    "locale": "source_language",
    "language": "source_language",
    "translation": "references",
    "client_id": "speaker",
    "sentence_domain": "domain",
}
"""Column of a table of Common Voice, CoVoST or recordings -> our field."""
_table = partial(
    Format,
    identifying_fields=("audio", "text", "file", "path", "sentence"),
    known_fields=(
        *(*_ANTIPHON_FIELDS, *_COLUMNS, "sentence", "sentence_id", "up_votes", "down_votes", "age"),
        *("gender", "accents", "accent", "variant", "segment", "split"),
    ),
    convert=_convert_table_row,
)


_jsonl = partial(Format, read=lambda file: read_json_rows(file.location, file.cursor), is_jsonl=True)
_text = partial(
    Format,
    identifying_fields=("text",),
    known_fields=("text", "blank_lines"),
    convert=lambda fields: Draft(text=fields["text"], blank_lines=fields.get("blank_lines", 0)),
    language_of=language_ending,
)

_OF_TEXT_FILES: dict[str, Format] = {
    "files": _jsonl(
        summary="JSONL of recordings: file, language, transcript, translation {language: text}, sha256",
        identifying_fields=("file",),
        known_fields=(
            *("id", "file", "seconds", "language", "transcript", "translation", "sha256"),
            *("speech", "source", "licence", "note"),
        ),
        convert=lambda fields: Draft(
            id=read_string(fields, "id"),
            audio=read_required(fields, "file"),
            sha256=read_string(fields, "sha256"),
            transcript=read_string(fields, "transcript"),
            source_language=read_string(fields, "language"),
            references=read_references(fields, "translation"),
            domain=read_string(fields, "speech"),
        ),
    ),
    "antiphon": _jsonl(
        summary="JSONL, our own: id, audio, offset, duration, text, transcript, source_language, "
        "target_language, references, domain, speaker, document, sha256, segments",
        identifying_fields=("audio", "text"),
        known_fields=(*_ANTIPHON_FIELDS, "segments"),
        convert=_convert_antiphon,
    ),
    "tsv": _table(
        summary="TSV with a header: fields of our JSONL but segments, or as Common Voice and CoVoST path, "
        "sentence, translation, client_id, locale",
        read=lambda file: read_tsv_rows(file.location),
    ),
    "csv": _table(
        summary="the same columns with commas or semicolons, quoted as CSV",
        read=lambda file: read_csv_rows(file.location),
    ),
    "text": _text(
        summary="plain text without references, one sentence a line: NAME.txt, or NAME.it with its language",
        read=lambda file: read_text_rows(file.location),
    ),
    "paragraphs": _text(
        summary="plain text whose lines are wrapped: a paragraph ends at a blank line (paragraphs:NAME.txt)",
        read=lambda file: read_paragraph_rows(file.location),
    ),
}

FORMATS: Mapping[str, Format] = ChainMap(_OF_TEXT_FILES, DATA_FORMATS)
"""Format by name, what packages bring first.

JSONL files are told apart by the first record with one of a format's identifying fields.
"""
