"""Turns: who says what, and when, in a reference and in an output."""

from __future__ import annotations

from typing import NamedTuple

from components.records import Hypothesis, Utterance


class Turn(NamedTuple):
    """A stretch of one speaker's speech; times in seconds from the start of the recording."""

    speaker: str
    start: float
    end: float
    text: str


Turns = tuple[Turn, ...]


def reference_turns(utterance: Utterance) -> Turns:
    """Return the turns of a recording whose segments all have a transcript and a speaker; else none."""
    segments = utterance.reference_segments
    if any(segment.transcript is None or segment.speaker is None for segment in segments):
        return ()
    return tuple(
        Turn(segment.speaker or "", segment.start, segment.end, segment.transcript or "")
        for segment in segments
    )


def output_turns(hypothesis: Hypothesis) -> Turns | None:
    """Return the turns of an output, none of silence; None where text or a segment has no speaker."""
    segments = hypothesis.segments
    if any(segment.speaker is None for segment in segments) or (hypothesis.text and not segments):
        return None
    return tuple(Turn(part.speaker or "", part.start, part.end, part.text) for part in segments)
