"""WebDataset: a tar whose members with one stem (``a.flac``, ``a.json``, ``a.txt``) are one record.

The convention is that of https://github.com/webdataset/webdataset: a name is divided at the first dot of its
last part, and the members of a record follow one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from components.data.files.drafts import Draft
from components.data.files.field_readers import read_first, read_references
from components.data.files.format import Format, SourceFile
from components.data.files.parsing import MAX_LINE_BYTES, Fields, RecordError, Row, parse_object
from components.files.locations.location import absolute_location
from components.files.locations.opening import open_location
from components.files.locations.tar_members import AUDIO_ENDINGS, TarMember, TruncatedTarError, read_members

_KEY = re.compile(r"((?:.*/)?[^/.]*)\.([^/]*)", re.DOTALL)
TRANSCRIPTS = ("transcript", "text", "transcription", "sentence", "normalized_text", "raw_transcription")
LANGUAGES = ("source_language", "language", "lang", "source_lang", "locale")
TARGET_LANGUAGES = ("target_language", "target_lang")
SPEAKERS = ("speaker", "speaker_id", "client_id")
REFERENCES = ("references", "translation", "answer")
KNOWN_FIELDS = (
    *("key", "audio", "audio_filepath", "id", "txt", "cls", "domain", "duration", "sha256"),
    *TRANSCRIPTS,
    *LANGUAGES,
    *TARGET_LANGUAGES,
    *SPEAKERS,
    *REFERENCES,
)


def _read_rows(source: SourceFile) -> Iterator[Row]:
    """Yield the rows of a tar, in order; of a damaged tar what stands before the damage, and then a fault.

    Raises:
        LocationError: It is no tar, or cannot be opened.
    """
    tar = source.location
    with open_location(tar) as file:
        number, sample = 1, list[TarMember]()
        try:
            for member in read_members(tar, file):
                if sample and _key(member.name) != _key(sample[0].name):
                    yield Row(number, _read_sample(tar, file, sample))
                    number, sample = number + 1, []
                sample.append(member)
        except TruncatedTarError as error:
            if sample and error.member is not None and _key(error.member) != _key(sample[0].name):
                yield Row(number, _read_sample(tar, file, sample))
            # Else the last record may lack a part: it is the one that is faulty.
            yield Row(number + 1, RecordError("unreadable record", str(error)))
            return
        if sample:
            yield Row(number, _read_sample(tar, file, sample))


def _key(name: str) -> str:
    match = _KEY.fullmatch(name)
    return match[1] if match else name


def _ending(name: str) -> str:
    match = _KEY.fullmatch(name)
    return match[2].lower() if match else ""


def _read_sample(tar: str, file: BinaryIO, members: list[TarMember]) -> Fields | RecordError:
    """Return the fields of one record: those of its JSON, its texts, and where its audio lies."""
    key, fields, sounds = _key(members[0].name), Fields(), list[str]()
    for member in members:
        name, ending = ascii(member.name)[:80], _ending(member.name)
        if member.fault is not None:
            return RecordError(
                "unreadable record",
                f"expected a regular file in the tar, found {member.fault}: {name}; drop it",
            )
        if ending.rpartition(".")[2] in AUDIO_ENDINGS:
            sounds.append(member.name)
        elif ending not in ("json", "txt", "cls"):
            fields.setdefault(ending or member.name, None)
        elif member.size > MAX_LINE_BYTES:
            what = f"expected at most {MAX_LINE_BYTES} bytes in {name}, found {member.size}"
            return RecordError("unreadable record", f"{what}; shorten it")
        elif fault := _add_text(fields, ending, _read_text(file, member)):
            return fault
    if len(sounds) != 1:
        found = "none" if not sounds else f"{len(sounds)}: {', '.join(map(ascii, sounds[:3]))[:160]}"
        reason = "unreadable audio" if sounds else "missing audio"
        return RecordError(
            reason, f"expected one audio file for {ascii(key)[:80]}, found {found}; correct the tar"
        )
    return fields | {"key": key, "audio": f"{absolute_location(tar)}#{sounds[0]}"}


def _read_text(file: BinaryIO, member: TarMember) -> str | RecordError:
    position = file.tell()
    try:
        file.seek(member.offset)
        return file.read(member.size).decode("utf-8-sig")
    except UnicodeDecodeError:
        what = f"expected UTF-8 in {ascii(member.name)[:80]}, found other bytes; convert it"
        return RecordError("unreadable record", what)
    finally:
        file.seek(position)


def _add_text(fields: Fields, ending: str, text: str | RecordError) -> RecordError | None:
    """Put a text member into the fields; its fault, if it has one."""
    if isinstance(text, RecordError):
        return text
    if ending != "json":
        fields[ending] = text.strip()
        return None
    parsed = parse_object(text)
    if isinstance(parsed, RecordError):
        return parsed
    fields |= {name: value for name, value in parsed.items() if name not in fields}
    return None


def _convert_sample(fields: Fields) -> Draft:
    """Return the draft of a record: its key is its id, its text the transcript."""
    references = next((read_references(fields, name) for name in REFERENCES if fields.get(name)), {})
    return Draft(
        id=fields["key"],
        audio=fields["audio"],
        sha256=read_first(fields, ("sha256",)),
        transcript=read_first(fields, ("txt", *TRANSCRIPTS)),
        source_language=read_first(fields, LANGUAGES),
        target_language=read_first(fields, TARGET_LANGUAGES),
        references=references,
        domain=read_first(fields, ("cls", "domain")),
        speaker=read_first(fields, SPEAKERS),
    )


WEBDATASET = Format(
    summary="tars whose members NAME.flac, NAME.json and NAME.txt are one record",
    identifying_fields=("key",),
    known_fields=KNOWN_FIELDS,
    read=_read_rows,
    convert=_convert_sample,
    files=r"(?i:.*\.tar)",
    find_files=lambda folder: sorted(map(str, Path(folder).glob("*.tar"))),
)
