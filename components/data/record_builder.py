"""Drafts -> utterances: languages decided, audio probed, ids made unique, faults kept with file and line."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from components import audio
from components.data.cutting import UNKNOWN_SECONDS, Cut, make_cut
from components.data.dataset import STAGE, Dataset, Row, split_records
from components.data.files.documents import count_pieces
from components.data.files.drafts import Draft
from components.data.files.parsing import RecordError
from components.data.files.reference_segments import (
    build_segments,
    join_references,
    join_texts,
    join_transcripts,
    select_references,
)
from components.errors import DataError
from components.files.locations.location import (
    FilePath,
    LocationError,
    absolute_location,
    is_remote,
    join_location,
    name_of,
    parse_location,
    show_location,
)
from components.records import Audio, Quarantined, Utterance
from components.text.counted_nouns import format_count
from components.text.languages import UNDETERMINED, is_code, is_same_language

AUDIO_FOLDERS = ("", "clips")
"""Folders, next to a manifest, in which its audio paths are looked up."""


@dataclass
class RecordBuilder:
    """Collects the outcome of every record of one source, in order.

    Attributes:
        name: of the data set.
        folder: its location; relative paths of audio start there.
        source_language: of records that state none; records that state another are left out.
        target_language: replaces what records ask for, and chooses among their references.
        rows: the outcomes so far.
        skipped: how many records were left out, by their language.
        used_ids: ids that have an outcome.
    """

    name: str
    folder: FilePath
    source_language: str | None = None
    target_language: str | None = None
    rows: list[Row] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    used_ids: set[str] = field(default_factory=set)

    @property
    def n_records(self) -> int:
        """Records with an outcome."""
        return len(self.rows)

    def add(self, draft: Draft, where: str, fallback: str) -> None:
        """Give one record its outcome.

        Args:
            draft: the record.
            where: its file:line.
            fallback: its id, if it has none.
        """
        stated = draft.source_language
        if stated and self.source_language and not is_same_language(stated, self.source_language):
            self.skipped[stated] += 1
            return
        name = None
        try:
            name = self._choose_id(draft, fallback)
            utterance = self._build_utterance(draft, name)
        except RecordError as error:
            self.quarantine(error, where, name, draft)
            return
        self.used_ids.add(utterance.id)
        self.rows.append(Row(utterance, _cut_of(draft, utterance.id)))

    def quarantine(
        self, error: RecordError, where: str, name: str | None = None, draft: Draft | None = None
    ) -> None:
        """Quarantine one record under its id, or under its file:line when it has no usable one."""
        name = name or where
        while name in self.used_ids:
            name += "'"
        self.used_ids.add(name)
        bad = Quarantined(
            utterance_id=name[:512], stage=STAGE, reason=error.reason, detail=f"{where}: {error}"
        )
        self.rows.append(Row(bad, _cut_of(draft or Draft(), bad.utterance_id)))

    def usable_id(self, name: object) -> str | None:
        """``name`` in NFC if it can be the id of a record that has no outcome yet, else None."""
        normal = unicodedata.normalize("NFC", name) if isinstance(name, str) else ""
        return normal if is_valid_id(normal) and normal not in self.used_ids else None

    def build_dataset(self, notes: Iterator[str]) -> Dataset:
        """Return the data set of all records so far, with ``notes`` for the user."""
        more = (
            f"{format_count(n, 'record')} in {language} left out"
            for language, n in sorted(self.skipped.items())
        )
        cut = (
            f"document {ascii(name)[:80]} in {n} pieces, each of which counts as a document: put its records "
            "one after another"
            for name, n in count_pieces(split_records(self.rows)[0]).items()
            if n > 1
        )
        return Dataset(self.name, tuple(self.rows), (*notes, *more, *cut))

    def _choose_id(self, draft: Draft, fallback: str) -> str:
        if draft.id is None:
            stem = Path(name_of(draft.audio)).stem if draft.audio else fallback
            derived = f"{stem}@{draft.offset:g}" if draft.offset else stem
            name = unicodedata.normalize("NFC", derived)
            return (
                name
                if is_valid_id(name) and name not in self.used_ids
                else unicodedata.normalize("NFC", fallback)
            )
        name = unicodedata.normalize("NFC", draft.id)
        if not is_valid_id(name):
            expected = "an id of 1 to 512 printable characters"
            raise RecordError("bad field", f"expected {expected}, found {ascii(name)[:60]}; rename it")
        if name in self.used_ids:
            raise RecordError("duplicate id", f"expected a new id, found {name!r} again (in NFC); rename one")
        return name

    def _build_utterance(self, draft: Draft, name: str) -> Utterance:
        target = self.target_language or draft.target_language or _only_language(draft)
        source = draft.source_language or self.source_language
        sound = self._describe_audio(draft) if draft.audio is not None else None
        timed = draft.text_segments
        text = join_texts([each.text for each in timed], source) if timed else draft.text
        if sound is None and not (text or "").strip():
            raise RecordError("empty record", "expected audio or text, found neither; fill it or drop it")
        if source is None and sound is None:
            raise RecordError("no language", "expected a source language, found none; state it")
        for language in (source, target):
            if language is not None and not is_code(language):
                expected = "a language code such as en or pt-BR"
                raise RecordError(
                    "bad field", f"expected {expected}, found {ascii(language)[:40]}; correct it"
                )
        segments = build_segments(draft, sound, target)
        try:
            return Utterance(
                id=name,
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

    def _describe_audio(self, draft: Draft) -> Audio:
        location = self._find_audio(draft.audio or "")
        name = absolute_location(location)
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise RecordError(
                "bad field", f"expected a path in UTF-8, found {os.fsencode(name)!r}; rename it"
            )
        try:
            sound = audio.describe(location, draft.offset, draft.duration)
        except DataError as error:
            reason = error.reason if isinstance(error, LocationError) else "unreadable audio"
            raise RecordError(reason, str(error)) from error
        if draft.sha256 and draft.sha256.lower() != sound.sha256:
            difference = f"expected sha256 {draft.sha256[:12]}, found {sound.sha256[:12]}"
            raise RecordError("changed audio", f"{show_location(location)}: {difference}; restore the file")
        return sound

    def _find_audio(self, name: str) -> str:
        """Return where audio lies; of a local folder also what lies in its folder ``clips``."""
        if not name or "\0" in name or len(name) > 4096:
            raise RecordError("bad field", f"expected the path of an audio file, found {ascii(name)[:40]}")
        try:
            if is_remote(name) or is_remote(self.folder):
                return join_location(self.folder, name)
            candidates = [str(Path(self.folder) / clips / name) for clips in AUDIO_FOLDERS]
            files = ((path, parse_location(path).file) for path in candidates)
            return next((path for path, file in files if Path(file).exists()), candidates[0])
        except LocationError as error:
            raise RecordError(error.reason, str(error)) from error
        except OSError as error:
            raise RecordError("missing audio", f"{ascii(name)[:80]}: {error.strerror}") from error


def is_valid_id(name: str) -> bool:
    """Return whether ``name`` can be an id: not empty, not longer than a record allows, printable."""
    return 0 < len(name) <= 512 and bool(name.strip()) and name.isprintable()


def _cut_of(draft: Draft, name: str) -> Cut:
    """Return what of a record decides where shards end, from what its manifest says alone."""
    text = draft.text or "".join(segment.text for segment in draft.text_segments)
    seconds = None if draft.audio is None else draft.duration or UNKNOWN_SECONDS
    return make_cut(name, text, draft.transcript, seconds=seconds, document=draft.document or None)


def _only_language(draft: Draft) -> str | None:
    stated = [draft.references, *(segment.references for segment in draft.segments)]
    languages = {language for references in stated for language in references if language is not None}
    return languages.pop() if len(languages) == 1 else None
