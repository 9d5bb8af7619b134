"""The data set: utterances, quarantined records, and a digest of everything that decides results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from components.records import Quarantined, Record, Sha256, Utterance

STAGE = "data"
"""The stage named in what loading quarantines."""


class Dataset(Record):
    """A loaded data set.

    Attributes:
        name: for people.
        utterances: the good records, in order.
        quarantined: the faulty ones.
        digest: of everything that decides results, and nothing else: paths are no part of it.
        notes: lines for the user, such as ignored fields.
    """

    name: str
    utterances: tuple[Utterance, ...]
    quarantined: tuple[Quarantined, ...]
    digest: Sha256
    notes: tuple[str, ...] = ()


def assemble(
    name: str, utterances: Sequence[Utterance], quarantined: Sequence[Quarantined], notes: Iterable[str] = ()
) -> Dataset:
    """Return a :class:`Dataset` with its digest."""
    return Dataset(
        name=name,
        utterances=tuple(utterances),
        quarantined=tuple(quarantined),
        digest=content_digest(utterances, quarantined),
        notes=tuple(notes),
    )


LATER_FIELDS = ("speaker", "reference_segments")


def content_digest(utterances: Iterable[Utterance], quarantined: Iterable[Quarantined]) -> str:
    """sha256 of what decides results: audio is known by its own digest, wherever it lies.

    Fields that records got later count where they are set, so that data sets from before keep their digest.
    """
    content = hashlib.sha256()
    for utterance in utterances:
        unset = {name: True for name in LATER_FIELDS if not getattr(utterance, name)}
        fields = utterance.model_dump(mode="json", exclude={"audio": {"path": True}, **unset})
        content.update(json.dumps(fields, sort_keys=True).encode() + b"\n")
    for bad in quarantined:
        content.update(json.dumps([bad.utterance_id, bad.reason]).encode() + b"\n")
    return content.hexdigest()
