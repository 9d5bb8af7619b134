"""Corrections by hand as material to learn from: pairs, terms, examples for prompts, calibration points."""

from __future__ import annotations

import os
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from components.editing.editable_text import certainty_of
from components.files.locations.location import parse_location
from components.records import Hypothesis, Utterance
from components.text.matching.alignment import Edit, align

Row = dict[str, Any]
_PUNCTUATION = string.punctuation + "„“”‚‘’«»…–—¿¡。，、！？"


@dataclass(frozen=True)
class Lesson:
    """What a person made of a model's text.

    Attributes:
        node: the model's.
        utterance: of the data set.
        hypothesis: what the model gave.
        text: what counts; the same where it was approved.
        source: the text that was translated; None for a transcript.
        language: code of the text's language, where it is known.
    """

    node: str
    utterance: Utterance
    hypothesis: Hypothesis
    text: str
    source: str | None
    language: str | None

    @property
    def is_right(self) -> bool:
        """Whether the model's text was approved as it was."""
        return self.text.split() == self.hypothesis.text.split()


def make_pairs(lessons: Sequence[Lesson]) -> list[Row]:
    """Return the rows of a manifest of text: what was translated, and its translation by hand.

    Where a person gave the transcript, that is the source.
    """
    transcripts = _transcripts_by_id(lessons)
    return [
        {
            "id": each.utterance.id,
            "text": transcripts.get(each.utterance.id, each.utterance.transcript or each.source),
            "source_language": each.utterance.source_language,
            "target_language": each.language or each.utterance.target_language,
            "references": [each.text],
        }
        for each in {each.utterance.id: each for each in lessons if each.source is not None}.values()
    ]


def make_transcripts(lessons: Sequence[Lesson], folder: Path) -> list[Row]:
    """Return the rows of a manifest of recordings with the transcripts, and translations, by hand.

    Args:
        lessons: of all nodes.
        folder: that of the manifest; paths of recordings are relative to it.
    """
    translations = {each.utterance.id: each for each in lessons if each.source is not None}
    utterances = {each.utterance.id: each.utterance for each in lessons}
    rows = []
    for key, transcript in _transcripts_by_id(lessons).items():
        audio = utterances[key].audio
        if audio is not None:
            row: Row = {"id": key, "audio": relative_location(audio.path, folder), "sha256": audio.sha256}
            row |= {"offset": audio.offset, "duration": audio.seconds}
            row |= {"transcript": transcript, "source_language": utterances[key].source_language}
            if key in translations:
                row |= {"target_language": translations[key].language, "references": [translations[key].text]}
            rows.append(row)
    return rows


def relative_location(text: str, folder: Path) -> str:
    """Return a location as it is written in a manifest that lies in a local folder."""
    location = parse_location(text)
    if location.is_remote:
        return text
    file = os.path.relpath(location.file, folder)
    return file if location.member is None else f"{file}#{location.member}"


def _transcripts_by_id(lessons: Iterable[Lesson]) -> dict[str, str]:
    return {each.utterance.id: each.text for each in lessons if each.source is None}


def make_examples(lessons: Iterable[Lesson]) -> list[Row]:
    """Return examples for the prompt of a translator: source, draft of the model, and corrected target."""
    return [
        {
            "from": each.utterance.source_language,
            "to": each.language,
            "source": each.source,
            "draft": each.hypothesis.text,
            "target": each.text,
        }
        for each in lessons
        if each.source is not None and not each.is_right
    ]


def find_terms(lessons: Iterable[Lesson], least: int) -> list[Row]:
    """Return words and phrases that were replaced by others in several texts, the most frequent first.

    Args:
        lessons: of all nodes.
        least: how often, at least.
    """
    ids: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for lesson in lessons:
        for before, after in find_replacements(lesson.hypothesis.text, lesson.text):
            ids[lesson.node, before, after].append(lesson.utterance.id)
    rows = [
        {
            "count": len(where),
            "before": before,
            "after": after,
            "node": node,
            "ids": " ".join(dict.fromkeys(where)),
        }
        for (node, before, after), where in ids.items()
        if len(where) >= least
    ]
    return sorted(rows, key=lambda row: -row["count"])


def find_replacements(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield the stretches of words that were replaced, without the punctuation around them."""
    columns = align(
        *([word.strip(_PUNCTUATION) or word for word in text.split()] for text in (before, after))
    )
    for changed, group in groupby(columns, key=lambda column: column.operation != "equal"):
        if changed:
            old, new = _join_sides(list(group))
            if old and new:
                yield old, new


def _join_sides(columns: Sequence[Edit[str]]) -> tuple[str, str]:
    old = (column.reference for column in columns if column.reference is not None)
    new = (column.hypothesis for column in columns if column.hypothesis is not None)
    return " ".join(old), " ".join(new)


def make_calibration(lessons: Iterable[Lesson]) -> list[Row]:
    """Return a point for each text that a person judged: how sure the model was, and how right.

    ``kept`` is the share of the model's words that stayed, ``right`` is 1 where all of the text did.
    """
    return [
        {
            "id": each.utterance.id,
            "node": each.node,
            "confidence": round(certainty_of(each.hypothesis), 6),
            "features": dict(each.hypothesis.features),
            "kept": round(share_kept(each.hypothesis.text, each.text), 6),
            "right": int(each.is_right),
        }
        for each in lessons
    ]


def share_kept(before: str, after: str) -> float:
    """Return the share of a text's words that another has, too, in this order; 1 for two empty texts."""
    words, others = before.split(), after.split()
    if not words:
        return float(not others)
    return sum(column.operation == "equal" for column in align(words, others)) / len(words)
