"""Rows -> utterances: audio opened, checked and digested; what cannot be used is quarantined."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from components.audio.probing import Stretch, describe_all
from components.data.dataset import STAGE, Row
from components.data.files.drafts import Draft
from components.data.files.parsing import RecordError
from components.data.files.reference_segments import (
    build_segments,
    join_references,
    join_texts,
    join_transcripts,
    select_references,
)
from components.data.row_reader import DraftedRow, Fault
from components.errors import DataError
from components.files.locations.location import (
    FilePath,
    LocationError,
    absolute_location,
    is_remote,
    join_location,
    parse_location,
    show_location,
)
from components.records import Audio, Quarantined, Utterance
from components.text.languages import UNDETERMINED, is_code

AUDIO_FOLDERS = ("", "clips")
"""Folders, next to a manifest, in which its audio paths are looked up."""


def build_rows(drafted: Sequence[DraftedRow]) -> list[Row]:
    """Return the outcomes of rows, in order; audio that is known and unchanged is not opened."""
    located, stretches = locate_rows(drafted)
    sounds = dict(zip(stretches, describe_all(list(stretches.values())), strict=True))
    return [Row(build_row(row, located.get(row.id), sounds.get(row.id)), row.cut) for row in drafted]


def locate_rows(
    drafted: Sequence[DraftedRow],
) -> tuple[dict[str, Stretch | RecordError], dict[str, Stretch]]:
    """Return for the rows with audio its stretch or why there is none, and the stretches alone; by id."""
    located = {
        row.id: _locate(row) for row in drafted if row.draft is not None and row.draft.audio is not None
    }
    return located, {key: place for key, place in located.items() if isinstance(place, Stretch)}


def _locate(row: DraftedRow) -> Stretch | RecordError:
    """Return the stretch of audio that a row names."""
    draft = row.draft
    assert draft is not None
    try:
        location = _find_audio(draft.audio or "", row.folder)
        name = absolute_location(location)
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            expected = f"expected a path in UTF-8, found {os.fsencode(name)!r}; rename it"
            raise RecordError("bad field", expected)
    except RecordError as error:
        return error
    return Stretch(location, draft.offset, draft.duration)


def build_row(
    row: DraftedRow, located: Stretch | RecordError | None, sound: Audio | DataError | None
) -> Utterance | Quarantined:
    """Return the outcome of a row whose audio was looked at."""
    fault = row.fault
    try:
        if isinstance(located, RecordError):
            raise located
        if row.draft is not None:
            heard = None if located is None else _check_sound(row.draft, located, sound)
            return _build_utterance(row, row.draft, heard)
    except RecordError as error:
        fault = Fault(error.reason, str(error))
    assert fault is not None
    detail = f"{row.where}: {fault.detail.removeprefix(f'{row.where}: ')}"  # a recording's is its path
    return Quarantined(utterance_id=row.id, stage=STAGE, reason=fault.reason, detail=detail)


def _check_sound(draft: Draft, stretch: Stretch, sound: Audio | DataError | None) -> Audio:
    if not isinstance(sound, Audio):
        reason = sound.reason if isinstance(sound, LocationError) else "unreadable audio"
        raise RecordError(reason, str(sound))
    if draft.sha256 and draft.sha256.lower() != sound.sha256:
        difference = f"expected sha256 {draft.sha256[:12]}, found {sound.sha256[:12]}"
        where = show_location(stretch.location)
        raise RecordError("changed audio", f"{where}: {difference}; restore the file")
    return sound


def _build_utterance(row: DraftedRow, draft: Draft, sound: Audio | None) -> Utterance:
    source, target = row.languages
    timed = draft.text_segments
    text = join_texts([each.text for each in timed], source) if timed else draft.text
    if sound is None and not (text or "").strip():
        raise RecordError("empty record", "expected audio or text, found neither; fill it or drop it")
    if source is None and sound is None:
        raise RecordError("no language", "expected a source language, found none; state it")
    for language in (source, target):
        if language is not None and not is_code(language):
            expected = "a language code such as en or pt-BR"
            raise RecordError("bad field", f"expected {expected}, found {ascii(language)[:40]}; correct it")
    segments = build_segments(draft, sound, target)
    try:
        return Utterance(
            id=row.id,
            audio=sound,
            text=text,
            source_language=source or UNDETERMINED,
            target_language=target,
            transcript=join_transcripts(draft.transcript, segments, source),
            references=select_references(draft.references, draft.target_language, target)
            or join_references(segments, target),
            domain=draft.domain,
            speaker=draft.speaker,
            reference_segments=segments,
            document=draft.document or None,
            segments=timed,
            blank_lines=draft.blank_lines,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field_path = ".".join(str(part) for part in first["loc"])
        raise RecordError("bad field", f"{field_path}: {first['msg']}") from error


def _find_audio(name: str, folder: FilePath) -> str:
    """Return where audio lies; of a local folder also what lies in its folder ``clips``."""
    if not name or "\0" in name or len(name) > 4096:
        raise RecordError("bad field", f"expected the path of an audio file, found {ascii(name)[:40]}")
    try:
        if is_remote(name) or is_remote(folder):
            return join_location(folder, name)
        candidates = [str(Path(folder) / clips / name) for clips in AUDIO_FOLDERS]
        files = ((path, parse_location(path).file) for path in candidates)
        return next((path for path, file in files if Path(file).exists()), candidates[0])
    except LocationError as error:
        raise RecordError(error.reason, str(error)) from error
    except OSError as error:
        raise RecordError("missing audio", f"{ascii(name)[:80]}: {error.strerror}") from error
