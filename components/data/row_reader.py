"""Rows of a data set as they are read from its files: ids made unique, faults kept with file and line.

Nothing of a row's audio is looked at here, and nothing grows with the rows but a file of the ids' digests.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from components.data.cutting import UNKNOWN_SECONDS, Cut, make_cut
from components.data.files.drafts import Draft
from components.data.files.parsing import LineCursor, RecordError
from components.data.used_ids import UsedIds
from components.files.locations.location import FilePath, file_name_of
from components.text.counted_nouns import format_count
from components.text.languages import UNDETERMINED, is_same_language

_MAX_ID = 512
"""Characters of an id, as of a record."""
_MARKS = 32
"""Of these for marks that tell it from others."""


class Fault(NamedTuple):
    """Why a row is no utterance: a short class, and what was expected and found."""

    reason: str
    detail: str


class DraftedRow(NamedTuple):
    """A row whose audio was not looked at.

    Attributes:
        id: its own, or one made of its file and line.
        where: its file and line.
        cut: what of it decides where shards end.
        draft: its fields, if they can be read.
        fault: why they cannot be used.
        languages: source and target, as the data set, the row and its references say.
        folder: location where relative paths of audio start.
    """

    id: str
    where: str
    cut: Cut
    draft: Draft | None = None
    fault: Fault | None = None
    languages: tuple[str | None, str | None] = (None, None)
    folder: FilePath = ""


@dataclass
class RowReader:
    """Makes the rows of one data set, in order.

    Attributes:
        name: of the data set.
        folder: location where relative paths of audio start.
        source_language: of records that state none or ``und``; records that state another are left out.
        target_language: replaces what records ask for, and chooses among their references.
        count: rows so far.
        skipped: how many records were left out, by their language.
        notes: lines for the user, once all rows are read.
        cursor: where the last row is, in formats that tell it.
        used: the ids of the rows so far.
    """

    name: str
    folder: FilePath = ""
    source_language: str | None = None
    target_language: str | None = None
    count: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    cursor: LineCursor = field(default_factory=LineCursor)
    used: UsedIds = field(default_factory=UsedIds)

    def read(self, draft: Draft, where: str, fallback: str) -> Iterator[DraftedRow]:
        """Yield the row of a record, unless it is left out.

        Args:
            draft: the record.
            where: its file:line.
            fallback: its id, if it has none.
        """
        stated = draft.source_language
        if stated == UNDETERMINED:
            stated = self.source_language or stated
        if stated and self.source_language and not is_same_language(stated, self.source_language):
            self.skipped[stated] += 1
            return
        try:
            name = self._take_id(draft, fallback)
        except RecordError as error:
            yield from self.refuse(error, where, draft=draft)
            return
        self.count += 1
        target = self.target_language or draft.target_language or _only_language(draft)
        languages = (stated or self.source_language, target)
        yield DraftedRow(name, where, _cut_of(draft, name), draft, None, languages, self.folder)

    def refuse(
        self, error: RecordError, where: str, name: str | None = None, draft: Draft | None = None
    ) -> Iterator[DraftedRow]:
        """Yield the row of a faulty record, under its id or its file:line where it has no usable one."""
        name = self._take_free(name or where)
        self.count += 1
        fault = Fault(error.reason, str(error))
        yield DraftedRow(name, where, _cut_of(draft or Draft(), name), fault=fault)

    def usable_id(self, name: object) -> str | None:
        """Return ``name`` in NFC if it can be the id of a record that has no outcome yet, else None."""
        normal = unicodedata.normalize("NFC", name) if isinstance(name, str) else ""
        return normal if is_valid_id(normal) and normal not in self.used else None

    def note_skipped(self) -> None:
        """Add to the notes how many records were left out."""
        for language, count in sorted(self.skipped.items()):
            self.notes.append(f"{format_count(count, 'record')} in {language} left out")

    def _take_id(self, draft: Draft, fallback: str) -> str:
        if draft.id is None:
            stem = Path(file_name_of(draft.audio)).stem if draft.audio else fallback
            derived = f"{stem}@{draft.offset:g}" if draft.offset else stem
            name = unicodedata.normalize("NFC", derived)
            if is_valid_id(name) and self.used.add(name):
                return name
            return self._take_free(fallback)
        name = unicodedata.normalize("NFC", draft.id)
        if not is_valid_id(name):
            expected = f"an id of 1 to {_MAX_ID} printable characters"
            raise RecordError("bad field", f"expected {expected}, found {ascii(name)[:60]}; rename it")
        if not self.used.add(name):
            raise RecordError("duplicate id", f"expected a new id, found {name!r} again (in NFC); rename one")
        return name

    def _take_free(self, place: str) -> str:
        """Take an id for a row that has no usable one: the end of its place, all of it printable."""
        name = unicodedata.normalize("NFC", place)[-_MAX_ID + _MARKS :]
        name = "".join(letter if letter.isprintable() else "_" for letter in name)
        while not self.used.add(name):
            name += "'"
        return name


def is_valid_id(name: str) -> bool:
    """Return whether ``name`` can be an id: not empty, not longer than a record allows, printable."""
    return 0 < len(name) <= _MAX_ID and bool(name.strip()) and name.isprintable()


def _cut_of(draft: Draft, name: str) -> Cut:
    """Return what of a record decides where shards end, from what its manifest says alone."""
    text = draft.text or "".join(segment.text for segment in draft.text_segments)
    stated = draft.duration or draft.likely_seconds or UNKNOWN_SECONDS
    seconds = None if draft.audio is None else stated
    return make_cut(name, text, draft.transcript, seconds=seconds, document=draft.document or None)


def _only_language(draft: Draft) -> str | None:
    stated = [draft.references, *(segment.references for segment in draft.segments)]
    languages = {language for references in stated for language in references if language}
    return languages.pop() if len(languages) == 1 else None


def count_pieces(rows: Iterator[DraftedRow], pieces: Counter[str]) -> Iterator[DraftedRow]:
    """Yield rows, and count for each document the pieces it stands in: 1 where all its rows are together."""
    for document, group in groupby(rows, lambda row: row.cut.document):
        if document is not None:
            pieces[document] += 1
        yield from group
