"""The data set: the outcome of every record in order, and a digest of everything that decides results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from components.data.cutting import Cut, make_cut
from components.records import Quarantined, Utterance

STAGE = "data"
"""The stage named in what loading quarantines."""


class Row(NamedTuple):
    """The outcome of one record: an utterance, or why there is none; and what decides where shards end."""

    record: Utterance | Quarantined
    cut: Cut

    @property
    def id(self) -> str:
        """The id of the record."""
        return self.record.id if isinstance(self.record, Utterance) else self.record.utterance_id


@dataclass(frozen=True)
class Dataset:
    """A loaded data set.

    Attributes:
        name: for people.
        rows: in the order of its records.
        notes: lines for the user, such as ignored fields.
    """

    name: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def utterances(self) -> tuple[Utterance, ...]:
        """The good records, in order."""
        return tuple(row.record for row in self.rows if isinstance(row.record, Utterance))

    @cached_property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The faulty ones."""
        return tuple(row.record for row in self.rows if isinstance(row.record, Quarantined))

    @cached_property
    def digest(self) -> str:
        """Digest of everything that decides results, and nothing else: paths are no part of it."""
        return content_digest(self.utterances, self.quarantined)


def row_of(utterance: Utterance) -> Row:
    """Return the row of an utterance whose manifest is not at hand: it states the length that it has."""
    seconds = None if utterance.audio is None else utterance.audio.seconds
    cut = make_cut(
        utterance.id, utterance.text, utterance.transcript, seconds=seconds, document=utterance.document
    )
    return Row(utterance, cut)


LATER_FIELDS = ("speaker", "reference_segments")


def content_digest(utterances: Iterable[Utterance], quarantined: Iterable[Quarantined]) -> str:
    """Return sha256 of what decides results: audio is known by its own digest, wherever it lies."""
    content = hashlib.sha256()
    for utterance in utterances:
        unset = {name: True for name in LATER_FIELDS if not getattr(utterance, name)}
        fields = utterance.model_dump(mode="json", exclude={"audio": {"path": True}, **unset})
        content.update(json.dumps(fields, sort_keys=True).encode() + b"\n")
    for bad in quarantined:
        content.update(json.dumps([bad.utterance_id, bad.reason]).encode() + b"\n")
    return content.hexdigest()


def split_records(rows: Sequence[Row]) -> tuple[list[Utterance], list[Quarantined]]:
    """Return the good records of rows, and the faulty ones."""
    records = [row.record for row in rows]
    return (
        [record for record in records if isinstance(record, Utterance)],
        [record for record in records if isinstance(record, Quarantined)],
    )
