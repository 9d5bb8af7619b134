"""The manifest formats, as rows of a table: how a line is read and what its fields mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.data.parsing import Fields, RecordError, Row, csv_rows, json_rows, text_rows, tsv_rows

References = dict[str | None, list[str]]
"""Reference translations by language; None stands for the record's target language."""


@dataclass(frozen=True)
class Draft:
    """A record before its audio was looked at: what the manifest says, with types checked."""

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


@dataclass(frozen=True)
class Format:
    """One format. ``marks`` are fields of which one must be there for a record to be of this format."""

    summary: str
    marks: tuple[str, ...]
    known: tuple[str, ...]
    read: Callable[[Path], Iterator[Row]]
    convert: Callable[[Fields], Draft]


def _antiphon(fields: Fields) -> Draft:
    audio = fields.get("audio")
    place = audio if isinstance(audio, dict) else {}
    if audio is not None and not place:
        place = {"path": _string(fields, "audio")}
    merged = {**place, **{name: fields[name] for name in ("offset", "duration", "sha256") if name in fields}}
    return Draft(
        id=_string(fields, "id"),
        audio=_string(merged, "path"),
        offset=_number(merged, "offset") or 0.0,
        duration=_number(merged, "duration" if "duration" in merged else "seconds"),
        sha256=_string(merged, "sha256"),
        text=_string(fields, "text"),
        transcript=_string(fields, "transcript"),
        source_language=_string(fields, "source_language"),
        target_language=_string(fields, "target_language"),
        references=_references(fields, "references"),
        domain=_string(fields, "domain"),
    )


def _nemo(fields: Fields) -> Draft:
    return Draft(
        id=_string(fields, "id"),
        audio=_required(fields, "audio_filepath"),
        offset=_number(fields, "offset") or 0.0,
        duration=_number(fields, "duration"),
        transcript=_string(fields, "text"),
        source_language=_string(fields, "source_lang") or _string(fields, "lang"),
        target_language=_string(fields, "target_lang"),
        references=_references(fields, "answer"),
    )


def _files(fields: Fields) -> Draft:
    return Draft(
        id=_string(fields, "id"),
        audio=_required(fields, "file"),
        sha256=_string(fields, "sha256"),
        transcript=_string(fields, "transcript"),
        source_language=_string(fields, "language"),
        references=_references(fields, "translation"),
        domain=_string(fields, "speech"),
    )


def _common_voice(fields: Fields) -> Draft:
    sentence, audio = _string(fields, "sentence"), _string(fields, "path") or None
    return Draft(
        id=_string(fields, "id") or None,
        audio=audio,
        text=None if audio else sentence,
        transcript=sentence if audio else None,
        source_language=_string(fields, "locale") or None,
        references=_references(fields, "translation"),
        domain=_string(fields, "sentence_domain") or None,
    )


_COMMON_VOICE = (
    *("path", "sentence", "translation", "client_id", "id", "locale", "sentence_domain", "sentence_id"),
    *("up_votes", "down_votes", "age", "gender", "accents", "accent", "variant", "segment", "split"),
)

FORMATS: dict[str, Format] = {
    "nemo": Format(
        summary="JSONL as NeMo writes it: audio_filepath, duration, offset, text, lang",
        marks=("audio_filepath",),
        known=(
            *("id", "audio_filepath", "duration", "offset", "text", "lang", "source_lang", "target_lang"),
            *("answer", "pnc", "taskname", "speaker"),
        ),
        read=json_rows,
        convert=_nemo,
    ),
    "files": Format(
        summary="JSONL of recordings: file, language, transcript, translation {language: text}, sha256",
        marks=("file",),
        known=(
            *("id", "file", "seconds", "language", "transcript", "translation", "sha256"),
            *("speech", "source", "licence", "note"),
        ),
        read=json_rows,
        convert=_files,
    ),
    "antiphon": Format(
        summary="JSONL, our own: id, audio, offset, duration, text, transcript, source_language, "
        "target_language, references, domain, sha256",
        marks=("audio", "text"),
        known=(
            *("id", "audio", "offset", "duration", "sha256", "text", "transcript", "source_language"),
            *("target_language", "references", "domain"),
        ),
        read=json_rows,
        convert=_antiphon,
    ),
    "tsv": Format(
        summary="TSV as Common Voice and CoVoST: path, sentence, translation, client_id, locale",
        marks=("path", "sentence"),
        known=_COMMON_VOICE,
        read=tsv_rows,
        convert=_common_voice,
    ),
    "csv": Format(
        summary="the same columns, comma-separated, quoted as CSV",
        marks=("path", "sentence"),
        known=_COMMON_VOICE,
        read=csv_rows,
        convert=_common_voice,
    ),
    "text": Format(
        summary="plain text without references, one sentence a line: NAME.txt, or NAME.it with its language",
        marks=("text",),
        known=("text",),
        read=text_rows,
        convert=_antiphon,
    ),
}
"""Format name -> its row. JSONL files are told apart by the first record that carries a row's mark."""


def _string(fields: Fields, name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RecordError("bad field", f"expected text in {name!r}, found {_shown(value)}; quote it")
    return _clean(name, value)


def _clean(name: str, value: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise RecordError(
            "bad field", f"expected Unicode text in {name!r}, found a lone surrogate; repair it"
        )
    return value


def _required(fields: Fields, name: str) -> str:
    value = _string(fields, name)
    if not value:
        raise RecordError("bad field", f"expected a field {name!r}, found none; add it")
    return value


def _number(fields: Fields, name: str) -> float | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RecordError("bad field", f"expected seconds in {name!r}, found {_shown(value)}; give a number")
    if not (abs(value) < 1e9 and math.isfinite(value)):
        raise RecordError(
            "bad field", f"expected finite seconds in {name!r}, found {_shown(value)}; repair it"
        )
    return float(value)


def _references(fields: Fields, name: str) -> References:
    """A text, a list of texts, or either of them per language; empty texts count as absent."""
    value = fields.get(name)
    if value is None:
        return {}
    by_language = value if isinstance(value, dict) else {None: value}
    references: References = {}
    for language, texts in by_language.items():
        listed = texts if isinstance(texts, list) else [] if texts is None else [texts]
        if not all(isinstance(text, str) for text in listed):
            raise RecordError("bad field", f"expected texts in {name!r}, found {_shown(texts)}; quote them")
        references[language] = [_clean(name, text) for text in listed if text.strip()]
    return {language: texts for language, texts in references.items() if texts}


def _shown(value: object) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 40 else text[:37] + "..."
