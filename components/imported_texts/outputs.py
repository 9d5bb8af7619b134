"""Outputs of another system: texts by id, pieces by recording and time, or lines in the order of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import NamedTuple, TypeVar

from components.data.files.language_names import name_without_language
from components.files.locations.location import file_name_of
from components.records import Segment, Utterance, Word
from components.text.languages import ENDS_SENTENCE, without_spaces
from components.text.table_cells import nfc

T = TypeVar("T")
PAUSE_SECONDS = 1.0
"""Single words are one segment up to a longer silence, or to the end of a sentence."""


class Output(NamedTuple):
    """The text of one utterance.

    Attributes:
        text: on one line.
        segments: its stretches, where their times are known, from the start of the utterance.
    """

    text: str
    segments: tuple[Segment, ...] = ()


@dataclass
class Outputs:
    """What a file, or a folder of files, holds.

    Attributes:
        by_id: utterance id, or name of a recording -> its text.
        segments: the same -> stretches of that text, where they are known, with times of the recording.
        timed: name of a recording -> its pieces (words, or segments), with times in seconds of the recording.
        lines: texts without ids, one per utterance in the order of the data.
    """

    by_id: dict[str, str] = field(default_factory=dict)
    segments: dict[str, list[Segment]] = field(default_factory=dict)
    timed: dict[str, list[Segment]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def output_of(self, utterance: Utterance) -> Output | None:
        """Return that of an utterance: by its id, else by its recording, of which it may be a stretch."""
        recording = recording_of(utterance)
        whole = utterance.id in self.by_id or utterance.offset == 0
        for name in (utterance.id, recording):
            if name in self.by_id and whole:
                pieces = self.segments.get(name, [])
                return Output(self.by_id[name], _shift(pieces, utterance, utterance.offset))
            if name in self.timed:
                start = 0.0 if name == utterance.id != recording else utterance.offset
                length = inf if utterance.audio is None else utterance.audio.seconds
                pieces = _within(self.timed[name], start, start + length)
                pieces = _join_words(pieces, utterance.source_language)
                return Output(_join(pieces, utterance.source_language), _shift(pieces, utterance, start))
        return None

    def normalize_names(self) -> Outputs:
        """Return the same with ids and names in NFC, as those of utterances are."""
        return Outputs(_in_nfc(self.by_id), _in_nfc(self.segments), _in_nfc(self.timed), self.lines)

    def texts(self) -> dict[str, str]:
        """Return all texts by id or recording; lines by their numbers."""
        numbered = {f"{number:06d}": text for number, text in enumerate(self.lines, 1)}
        joined = {name: _join(pieces, "und") for name, pieces in self.timed.items()}
        return {**numbered, **joined, **self.by_id}


def _in_nfc(by_name: Mapping[str, T]) -> dict[str, T]:
    return {nfc(name): held for name, held in by_name.items()}


def recording_of(utterance: Utterance) -> str:
    """Return the name of an utterance's recording without its ending; that of its document without one."""
    if utterance.audio is None:
        return utterance.document or utterance.id
    return nfc(name_without_language(Path(file_name_of(utterance.audio.path))))


def _within(pieces: list[Segment], start: float, end: float) -> list[Segment]:
    """Return pieces, or those of their words, whose middle lies between two times, in their order."""

    def is_inside(piece: Segment | Word) -> bool:
        return start <= (piece.start + piece.end) / 2 < end

    inside = []
    for piece in pieces:
        words = tuple(word for word in piece.words if is_inside(word))
        if len(words) < len(piece.words):
            text = "".join(word.text for word in words).strip()
            inside += [piece.model_copy(update={"words": words, "text": text})] if words else []
        elif words or is_inside(piece):
            inside.append(piece)
    return sorted(inside, key=lambda piece: piece.start)


def _join_words(pieces: Sequence[Segment], language: str) -> list[Segment]:
    """Return pieces, of which those that are a word each are joined to segments."""
    space = "" if without_spaces(language) else " "
    groups: list[list[Segment]] = []
    for piece in pieces:
        before = groups[-1][-1] if groups else None
        if (
            before is not None
            and len(before.words) == len(piece.words) == 1
            and before.speaker == piece.speaker
            and piece.start - before.end <= PAUSE_SECONDS
            and not ENDS_SENTENCE.search(before.text)
        ):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return [
        group[0]
        if len(group) == 1
        else Segment(
            start=group[0].start,
            end=group[-1].end,
            text=space.join(piece.text for piece in group),
            words=tuple(
                piece.words[0].model_copy(update={"text": (space if n else "") + piece.text})
                for n, piece in enumerate(group)
            ),
            speaker=group[0].speaker,
        )
        for group in groups
    ]


def _shift(pieces: Iterable[Segment], utterance: Utterance, offset: float) -> tuple[Segment, ...]:
    """Return pieces with times from the start of an utterance and within it; none where it has no times."""
    if utterance.stretch is None:
        return ()
    length = inf if utterance.audio is None else utterance.audio.seconds

    def shift(piece: Segment | Word) -> dict[str, float]:
        start = min(max(piece.start - offset, 0.0), length)
        return {"start": round(start, 3), "end": round(max(start, min(piece.end - offset, length)), 3)}

    return tuple(
        piece.model_copy(
            update={
                **shift(piece),
                "text": piece.text.strip(),
                "words": tuple(word.model_copy(update=shift(word)) for word in piece.words),
            }
        )
        for piece in pieces
        if piece.text.strip()
    )


def _join(pieces: Iterable[Segment], language: str) -> str:
    space = "" if without_spaces(language) else " "
    return space.join(text for piece in pieces if (text := piece.text.strip()))
