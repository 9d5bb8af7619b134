"""The manifest formats, rows of :data:`FORMATS`: how a line is read and what its fields mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from components.data.files.archives import lhotse_cuts, tables, webdataset
from components.data.files.drafts import Draft
from components.data.files.field_readers import (
    read_references,
    read_required,
    read_seconds,
    read_segments,
    read_string,
)
from components.data.files.parsing import (
    Fields,
    Row,
    read_csv_rows,
    read_json_rows,
    read_paragraph_rows,
    read_text_rows,
    read_tsv_rows,
)
from components.data.files.subtitles import read_subtitle_rows
from components.files.locations.location import FilePath


@dataclass(frozen=True)
class Format:
    """A manifest format.

    Attributes:
        summary: for the command line.
        identifying_fields: a record with one of them is of this format.
        known_fields: fields that are read or knowingly ignored; a user is told of others.
        read: location of a file -> rows.
        convert: fields of a row -> draft.
    """

    summary: str
    identifying_fields: tuple[str, ...]
    known_fields: tuple[str, ...]
    read: Callable[[FilePath], Iterator[Row]]
    convert: Callable[[Fields], Draft]


def _convert_antiphon(fields: Fields) -> Draft:
    audio = fields.get("audio")
    audio_fields = audio if isinstance(audio, dict) else {}
    if audio is not None and not audio_fields:
        audio_fields = {"path": read_string(fields, "audio")}
    merged = {
        **audio_fields,
        **{name: fields[name] for name in ("offset", "duration", "sha256") if name in fields},
    }
    return Draft(
        id=read_string(fields, "id"),
        audio=read_string(merged, "path"),
        offset=read_seconds(merged, "offset") or 0.0,
        duration=read_seconds(merged, "duration" if "duration" in merged else "seconds"),
        sha256=read_string(merged, "sha256"),
        text=read_string(fields, "text"),
        transcript=read_string(fields, "transcript"),
        source_language=read_string(fields, "source_language"),
        target_language=read_string(fields, "target_language"),
        references=read_references(fields, "references"),
        domain=read_string(fields, "domain"),
        speaker=read_string(fields, "speaker"),
        document=read_string(fields, "document"),
        segments=read_segments(fields, "segments"),
    )


def _convert_nemo(fields: Fields) -> Draft:
    return Draft(
        id=read_string(fields, "id"),
        audio=read_required(fields, "audio_filepath"),
        offset=read_seconds(fields, "offset") or 0.0,
        duration=read_seconds(fields, "duration"),
        transcript=read_string(fields, "text"),
        source_language=read_string(fields, "source_lang") or read_string(fields, "lang"),
        target_language=read_string(fields, "target_lang"),
        references=read_references(fields, "answer"),
        speaker=read_string(fields, "speaker"),
    )


def _convert_files(fields: Fields) -> Draft:
    return Draft(
        id=read_string(fields, "id"),
        audio=read_required(fields, "file"),
        sha256=read_string(fields, "sha256"),
        transcript=read_string(fields, "transcript"),
        source_language=read_string(fields, "language"),
        references=read_references(fields, "translation"),
        domain=read_string(fields, "speech"),
    )


def _convert_common_voice(fields: Fields) -> Draft:
    sentence, audio = read_string(fields, "sentence"), read_string(fields, "path") or None
    return Draft(
        id=read_string(fields, "id") or None,
        audio=audio,
        text=None if audio else sentence,
        transcript=sentence if audio else None,
        source_language=read_string(fields, "locale") or None,
        references=read_references(fields, "translation"),
        domain=read_string(fields, "sentence_domain") or None,
        speaker=read_string(fields, "client_id") or None,
    )


_COMMON_VOICE_FIELDS = (
    *("path", "sentence", "translation", "client_id", "id", "locale", "sentence_domain", "sentence_id"),
    *("up_votes", "down_votes", "age", "gender", "accents", "accent", "variant", "segment", "split"),
)


def _convert_text(fields: Fields) -> Draft:
    return Draft(text=fields["text"], blank_lines=fields.get("blank_lines", 0))


def _convert_subtitles(fields: Fields) -> Draft:
    return Draft(text_segments=fields["segments"])


FORMATS: dict[str, Format] = {
    "nemo": Format(
        summary="JSONL as NeMo writes it: audio_filepath, duration, offset, text, lang",
        identifying_fields=("audio_filepath",),
        known_fields=(
            *("id", "audio_filepath", "duration", "offset", "text", "lang", "source_lang", "target_lang"),
            *("answer", "pnc", "taskname", "speaker", "shard_id"),
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
    "cuts": Format(
        summary="Lhotse's cuts: a Shar folder, or cuts.jsonl.gz of MonoCuts",
        identifying_fields=("supervisions", "recording"),
        known_fields=(
            *("id", "start", "duration", "channel", "supervisions", "recording", "type", "custom"),
            *("features", "audio_location"),
        ),
        read=lhotse_cuts.read_cut_rows,
        convert=lhotse_cuts.convert_cut,
    ),
    "antiphon": Format(
        summary="JSONL, our own: id, audio, offset, duration, text, transcript, source_language, "
        "target_language, references, domain, speaker, document, sha256, segments",
        identifying_fields=("audio", "text"),
        known_fields=(
            *("id", "audio", "offset", "duration", "sha256", "text", "transcript", "source_language"),
            *("target_language", "references", "domain", "speaker", "document", "segments"),
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
    "webdataset": Format(
        summary="tars whose members NAME.flac, NAME.json and NAME.txt are one record",
        identifying_fields=("key",),
        known_fields=webdataset.KNOWN_FIELDS,
        read=webdataset.read_webdataset_rows,
        convert=webdataset.convert_webdataset,
    ),
    "parquet": Format(
        summary="Parquet and Arrow files, and folders of Hugging Face's datasets: audio, text, language",
        identifying_fields=("audio", "text"),
        known_fields=tables.KNOWN_FIELDS,
        read=tables.read_table_rows,
        convert=tables.convert_table_row,
    ),
    "text": Format(
        summary="plain text without references, one sentence a line: NAME.txt, or NAME.it with its language",
        identifying_fields=("text",),
        known_fields=("text", "blank_lines"),
        read=read_text_rows,
        convert=_convert_text,
    ),
    "paragraphs": Format(
        summary="plain text whose lines are wrapped: a paragraph ends at a blank line (paragraphs:NAME.txt)",
        identifying_fields=("text",),
        known_fields=("text", "blank_lines"),
        read=read_paragraph_rows,
        convert=_convert_text,
    ),
    "subtitles": Format(
        summary="SRT or WebVTT as texts with times: NAME.srt, or NAME.it.srt with its language",
        identifying_fields=("segments",),
        known_fields=("segments",),
        read=read_subtitle_rows,
        convert=_convert_subtitles,
    ),
}
"""Format by name. JSONL files are told apart by the first record with one of a row's identifying fields."""
