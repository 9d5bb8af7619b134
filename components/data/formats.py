"""The manifest formats, rows of :data:`FORMATS`: how a line is read and what its fields mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.data.parsing import (
    Fields,
    RecordError,
    Row,
    read_csv_rows,
    read_json_rows,
    read_paragraph_rows,
    read_text_rows,
    read_tsv_rows,
)

References = dict[str | None, list[str]]
"""Reference translations by language; None stands for the record's target language."""


@dataclass(frozen=True)
class DraftSegment:
    """A stretch of a long recording as its manifest has it, in seconds from the record's offset."""

    start: float
    end: float
    transcript: str | None = None
    references: References = field(default_factory=dict)
    speaker: str | None = None


@dataclass(frozen=True)
class Draft:
    """A record as its manifest has it, with types checked; its audio was not looked at yet."""

    id: str | None = None
    audio: str | None = None
    offset: float = 0.0
    duration: float | None = None
    sha256: str | None = None
    text: str | None = None
    transcript: str | None = None
    source_language: str | None = None
    target_language: str | None = None
    references: References = field(default_factory=dict)
    domain: str | None = None
    speaker: str | None = None
    segments: tuple[DraftSegment, ...] = ()


@dataclass(frozen=True)
class Format:
    """A manifest format.

    Attributes:
        summary: For the command line.
        identifying_fields: A record with one of them is of this format.
        known_fields: Fields that are read or knowingly ignored; a user is told of others.
        read: File -> rows.
        convert: Fields of a row -> draft.
    """

    summary: str
    identifying_fields: tuple[str, ...]
    known_fields: tuple[str, ...]
    read: Callable[[Path], Iterator[Row]]
    convert: Callable[[Fields], Draft]


def _convert_antiphon(fields: Fields) -> Draft:
    audio = fields.get("audio")
    audio_fields = audio if isinstance(audio, dict) else {}
    if audio is not None and not audio_fields:
        audio_fields = {"path": _read_string(fields, "audio")}
    merged = {
        **audio_fields,
        **{name: fields[name] for name in ("offset", "duration", "sha256") if name in fields},
    }
    return Draft(
        id=_read_string(fields, "id"),
        audio=_read_string(merged, "path"),
        offset=_read_seconds(merged, "offset") or 0.0,
        duration=_read_seconds(merged, "duration" if "duration" in merged else "seconds"),
        sha256=_read_string(merged, "sha256"),
        text=_read_string(fields, "text"),
        transcript=_read_string(fields, "transcript"),
        source_language=_read_string(fields, "source_language"),
        target_language=_read_string(fields, "target_language"),
        references=_read_references(fields, "references"),
        domain=_read_string(fields, "domain"),
        speaker=_read_string(fields, "speaker"),
        segments=_read_segments(fields, "segments"),
    )


def _convert_nemo(fields: Fields) -> Draft:
    return Draft(
        id=_read_string(fields, "id"),
        audio=_read_required(fields, "audio_filepath"),
        offset=_read_seconds(fields, "offset") or 0.0,
        duration=_read_seconds(fields, "duration"),
        transcript=_read_string(fields, "text"),
        source_language=_read_string(fields, "source_lang") or _read_string(fields, "lang"),
        target_language=_read_string(fields, "target_lang"),
        references=_read_references(fields, "answer"),
        speaker=_read_string(fields, "speaker"),
    )


def _convert_files(fields: Fields) -> Draft:
    return Draft(
        id=_read_string(fields, "id"),
        audio=_read_required(fields, "file"),
        sha256=_read_string(fields, "sha256"),
        transcript=_read_string(fields, "transcript"),
        source_language=_read_string(fields, "language"),
        references=_read_references(fields, "translation"),
        domain=_read_string(fields, "speech"),
    )


def _convert_common_voice(fields: Fields) -> Draft:
    sentence, audio = _read_string(fields, "sentence"), _read_string(fields, "path") or None
    return Draft(
        id=_read_string(fields, "id") or None,
        audio=audio,
        text=None if audio else sentence,
        transcript=sentence if audio else None,
        source_language=_read_string(fields, "locale") or None,
        references=_read_references(fields, "translation"),
        domain=_read_string(fields, "sentence_domain") or None,
        speaker=_read_string(fields, "client_id") or None,
    )


_COMMON_VOICE_FIELDS = (
    *("path", "sentence", "translation", "client_id", "id", "locale", "sentence_domain", "sentence_id"),
    *("up_votes", "down_votes", "age", "gender", "accents", "accent", "variant", "segment", "split"),
)

FORMATS: dict[str, Format] = {
    "nemo": Format(
        summary="JSONL as NeMo writes it: audio_filepath, duration, offset, text, lang",
        identifying_fields=("audio_filepath",),
        known_fields=(
            *("id", "audio_filepath", "duration", "offset", "text", "lang", "source_lang", "target_lang"),
            *("answer", "pnc", "taskname", "speaker"),
        ),
        read=read_json_rows,
        convert=_convert_nemo,
    ),
    "files": Format(
        summary="JSONL of recordings: file, language, transcript, translation {language: text}, sha256",
        identifying_fields=("file",),
        known_fields=(
            *("id", "file", "seconds", "language", "transcript", "translation", "sha256"),
            *("speech", "source", "licence", "note"),
        ),
        read=read_json_rows,
        convert=_convert_files,
    ),
    "antiphon": Format(
        summary="JSONL, our own: id, audio, offset, duration, text, transcript, source_language, "
        "target_language, references, domain, speaker, sha256, segments",
        identifying_fields=("audio", "text"),
        known_fields=(
            *("id", "audio", "offset", "duration", "sha256", "text", "transcript", "source_language"),
            *("target_language", "references", "domain", "speaker", "segments"),
        ),
        read=read_json_rows,
        convert=_convert_antiphon,
    ),
    "tsv": Format(
        summary="TSV as Common Voice and CoVoST: path, sentence, translation, client_id, locale",
        identifying_fields=("path", "sentence"),
        known_fields=_COMMON_VOICE_FIELDS,
        read=read_tsv_rows,
        convert=_convert_common_voice,
    ),
    "csv": Format(
        summary="the same columns, comma-separated, quoted as CSV",
        identifying_fields=("path", "sentence"),
        known_fields=_COMMON_VOICE_FIELDS,
        read=read_csv_rows,
        convert=_convert_common_voice,
    ),
    "text": Format(
        summary="plain text without references, one sentence a line: NAME.txt, or NAME.it with its language",
        identifying_fields=("text",),
        known_fields=("text",),
        read=read_text_rows,
        convert=_convert_antiphon,
    ),
    "paragraphs": Format(
        summary="plain text whose lines are wrapped: a paragraph ends at a blank line (paragraphs:NAME.txt)",
        identifying_fields=("text",),
        known_fields=("text",),
        read=read_paragraph_rows,
        convert=_convert_antiphon,
    ),
}
"""Format by name. JSONL files are told apart by the first record with one of a row's identifying fields."""


def _read_string(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RecordError("bad field", f"expected text in {name!r}, found {_abbreviate(value)}; quote it")
    return _refuse_surrogates(name, value)


def _refuse_surrogates(name: str, value: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RecordError(
            "bad field", f"expected Unicode text in {name!r}, found a lone surrogate; repair it"
        )
    return value


def _read_required(fields: Fields, name: str) -> str:
    value = _read_string(fields, name)
    if not value:
        raise RecordError("bad field", f"expected a field {name!r}, found none; add it")
    return value


def _read_seconds(fields: Fields, name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError(
            "bad field", f"expected seconds in {name!r}, found {_abbreviate(value)}; give a number"
        )
    if not (abs(value) < 1e9 and math.isfinite(value)):
        raise RecordError(
            "bad field", f"expected finite seconds in {name!r}, found {_abbreviate(value)}; repair it"
        )
    return float(value)


def _read_references(fields: Fields, name: str) -> References:
    """A text, a list of texts, or either of them per language; empty texts count as absent."""
    value = fields.get(name)
    if value is None:
        return {}
    by_language = value if isinstance(value, dict) else {None: value}
    references: References = {}
    for language, texts in by_language.items():
        listed = texts if isinstance(texts, list) else [] if texts is None else [texts]
        if not all(isinstance(text, str) for text in listed):
            raise RecordError(
                "bad field", f"expected texts in {name!r}, found {_abbreviate(texts)}; quote them"
            )
        references[language] = [_refuse_surrogates(name, text) for text in listed if text.strip()]
    return {language: texts for language, texts in references.items() if texts}


def _read_segments(fields: Fields, name: str) -> tuple[DraftSegment, ...]:
    """A list of objects with start and end, a transcript and references."""
    value = fields.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        expected = f"expected a list of objects with start and end in {name!r}"
        raise RecordError("bad field", f"{expected}, found {_abbreviate(value)}; see docs/data.md")
    segments = []
    for number, entry in enumerate(value, 1):
        try:
            segments.append(_read_segment(entry))
        except RecordError as error:
            raise RecordError(error.reason, f"segment {number} of {len(value)}: {error}") from error
    return tuple(segments)


def _read_segment(entry: Fields) -> DraftSegment:
    unknown = sorted(entry.keys() - {"start", "end", "transcript", "references", "speaker"})
    if unknown:
        expected = "expected start, end, transcript, references and speaker"
        raise RecordError("bad field", f"{expected}, found {_abbreviate(unknown[0])}; leave it out")
    start, end = _read_seconds(entry, "start"), _read_seconds(entry, "end")
    if start is None or end is None:
        missing = "start" if start is None else "end"
        raise RecordError("bad field", f"expected seconds in {missing!r}, found none; add it")
    return DraftSegment(
        start,
        end,
        _read_string(entry, "transcript"),
        _read_references(entry, "references"),
        _read_string(entry, "speaker"),
    )


def _abbreviate(value: object) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:37] + "..."
