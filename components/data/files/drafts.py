"""Records as a manifest has them, before they become utterances."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.records import Segment

References = dict[str, list[str]]
"""Reference translations by language; "" stands for the record's target language."""


@dataclass(frozen=True)
class DraftSegment:
    """A stretch of a long recording as its manifest has it, in seconds from the record's offset."""

    start: float
    end: float
    transcript: str | None = None
    references: References = field(default_factory=dict)
    speaker: str | None = None


@dataclass(frozen=True)
class Draft:
    """A record as its manifest has it, with types checked; its audio was not looked at yet."""

    id: str | None = None
    audio: str | None = None
    offset: float = 0.0
    duration: float | None = None
    sha256: str | None = None
    text: str | None = None
    transcript: str | None = None
    source_language: str | None = None
    target_language: str | None = None
    references: References = field(default_factory=dict)
    domain: str | None = None
    speaker: str | None = None
    document: str | None = None
    segments: tuple[DraftSegment, ...] = ()
    text_segments: tuple[Segment, ...] = ()
    """Of a written text with times; ``text`` is theirs."""
    blank_lines: int = 0
    """Before it in a file of text."""
    likely_seconds: float | None = None
    """Of audio whose length nothing states, by the size of its file."""
