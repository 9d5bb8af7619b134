"""Lhotse's cuts: a Shar folder (``cuts.000000.jsonl.gz``, ``recording.000000.tar``), or a file of cuts.

Read as ``lhotse/shar/writers`` of https://github.com/lhotse-speech/lhotse write it: a cut's recording is
the member ``ID.flac`` (or another ending) of the tar with the cuts' number, cut to its stretch, and has a
source of the type ``shar``. Cuts of more than one recording (MixedCut) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.data.files.drafts import Draft, DraftSegment, References
from components.data.files.field_readers import read_references, read_required, read_seconds, read_string
from components.data.files.format import Format, SourceFile
from components.data.files.parsing import Fields, RecordError, Row, read_json_rows
from components.files.locations.location import (
    absolute_location,
    file_name_of,
    folder_of,
    join_location,
)
from components.text.languages import NAMES

_CODES = {name.lower(): code for code, (_, name) in NAMES.items()}
_CUTS = re.compile(r"cuts(\.[0-9]+)?\.jsonl(\.gz)?")


def _read_rows(file: SourceFile) -> Iterator[Row]:
    """Rows of a file of cuts, each with ``audio_location``."""
    path = file.location
    match = _CUTS.fullmatch(file_name_of(path))
    beside = f"recording{match[1] or ''}.tar" if match else ""
    tar = absolute_location(join_location(folder_of(path), beside)) if match else None
    for row in read_json_rows(path):
        if isinstance(row.content, RecordError):
            yield row
            continue
        try:
            location = _locate(row.content, tar)
        except RecordError as error:
            yield Row(row.line, error)
        else:
            yield Row(row.line, row.content | {"audio_location": location})


def _locate(cut: Fields, tar: str | None) -> str:
    """Return where the recording of a cut lies."""
    recording = cut.get("recording")
    if "tracks" in cut or not isinstance(recording, dict):
        raise RecordError("bad field", "expected a cut of one recording, found another; write MonoCuts")
    sources = recording.get("sources")
    source = sources[0] if isinstance(sources, list) and len(sources) == 1 else None
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "shar" and tar is not None:
        return f"{tar}#{read_required(cut, 'id')}"
    if kind in ("file", "url") and isinstance(source, dict):
        channels = recording.get("channel_ids") or [0]
        if not isinstance(channels, list) or len(channels) > 1:
            detail = f"expected a recording of one channel, found {ascii(channels)[:40]}; write it as Shar"
            raise RecordError("bad field", detail)
        return read_required(source, "source")
    raise RecordError(
        "bad field",
        f"expected a source of type shar, file or url, found {ascii(kind)[:40]}; write it as Shar",
    )


def _convert_cut(fields: Fields) -> Draft:
    """Return the draft of a cut: what is said in it are its supervisions."""
    supervisions = fields.get("supervisions") or []
    if not isinstance(supervisions, list) or not all(isinstance(each, dict) for each in supervisions):
        raise RecordError("bad field", "expected a list of supervisions, found another; correct it")
    first: Fields = supervisions[0] if supervisions else {}
    single = len(supervisions) == 1
    return Draft(
        id=read_required(fields, "id"),
        audio=fields["audio_location"],
        offset=read_seconds(fields, "start") or 0.0,
        duration=read_seconds(fields, "duration"),
        transcript=read_string(first, "text") if single else None,
        source_language=_read_language(first),
        references=_read_translations(first) if single else {},
        speaker=read_string(first, "speaker") if single else None,
        segments=() if single else tuple(_read_segments(supervisions)),
    )


def _read_segments(supervisions: list[Fields]) -> Iterator[DraftSegment]:
    for each in sorted(supervisions, key=lambda fields: read_seconds(fields, "start") or 0.0):
        start, duration = read_seconds(each, "start") or 0.0, read_seconds(each, "duration") or 0.0
        yield DraftSegment(
            max(0.0, start),
            start + duration,
            read_string(each, "text"),
            _read_translations(each),
            read_string(each, "speaker"),
        )


def _read_language(supervision: Fields) -> str | None:
    """Return the code of a supervision's language; Lhotse's recipes write names such as English as well."""
    stated = read_string(supervision, "language")
    return stated and _CODES.get(stated.lower(), stated)


def _read_translations(supervision: Fields) -> References:
    custom: Any = supervision.get("custom")
    return read_references(custom, "translated_text") if isinstance(custom, dict) else {}


def _find_files(folder: str) -> list[str]:
    patterns = ("cuts.jsonl*", "cuts.*.jsonl*")
    return next((files for each in patterns if (files := sorted(map(str, Path(folder).glob(each))))), [])


CUTS = Format(
    summary="Lhotse's cuts: a Shar folder, or cuts.jsonl.gz of MonoCuts",
    identifying_fields=("supervisions", "recording"),
    known_fields=(
        *("id", "start", "duration", "channel", "supervisions", "recording", "type", "custom"),
        *("features", "audio_location"),
    ),
    read=_read_rows,
    convert=_convert_cut,
    files=_CUTS.pattern,
    find_files=_find_files,
)
