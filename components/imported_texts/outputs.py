"""Outputs of another system: texts by id, pieces by recording and time, or lines in the order of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.data.files.language_names import name_without_language
from components.files.locations.location import file_name_of
from components.records import Segment, Utterance
from components.text.languages import without_spaces


@dataclass
class Outputs:
    """What a file, or a folder of files, holds.

    Attributes:
        by_id: utterance id, or name of a recording -> its text.
        timed: name of a recording -> its pieces (words, or segments), with times in seconds of the recording.
        lines: texts without ids, one per utterance in the order of the data.
    """

    by_id: dict[str, str] = field(default_factory=dict)
    timed: dict[str, list[Segment]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def text_of(self, utterance: Utterance) -> str | None:
        """Return the text of an utterance: by its id, else by its recording, of which it may be a stretch."""
        recording = recording_of(utterance)
        whole = utterance.id in self.by_id or utterance.offset == 0
        for name in (utterance.id, recording):
            if name in self.by_id and whole:
                return self.by_id[name]
            if name in self.timed:
                start = 0.0 if name == utterance.id != recording else utterance.offset
                length = float("inf") if utterance.audio is None else utterance.audio.seconds
                return _join(_within(self.timed[name], start, start + length), utterance.source_language)
        return None

    def texts(self) -> dict[str, str]:
        """Return all texts by id or recording; lines by their numbers."""
        numbered = {f"{number:06d}": text for number, text in enumerate(self.lines, 1)}
        joined = {name: _join(pieces, "und") for name, pieces in self.timed.items()}
        return {**numbered, **joined, **self.by_id}


def recording_of(utterance: Utterance) -> str:
    """Return the name of an utterance's recording without its ending; that of its document without one."""
    if utterance.audio is None:
        return utterance.document or utterance.id
    return name_without_language(Path(file_name_of(utterance.audio.path)))


def join_lines(lines: list[str], utterances: Iterable[Utterance]) -> Mapping[str, str]:
    """Return lines by the ids of the utterances, in their order."""
    return dict(zip((utterance.id for utterance in utterances), lines, strict=True))


def _within(pieces: list[Segment], start: float, end: float) -> list[Segment]:
    """Pieces whose middle lies between two times, in their order."""
    inside = [piece for piece in pieces if start <= (piece.start + piece.end) / 2 < end]
    return sorted(inside, key=lambda piece: piece.start)


def _join(pieces: Iterable[Segment], language: str) -> str:
    space = "" if without_spaces(language) else " "
    return space.join(text for piece in pieces if (text := piece.text.strip()))
