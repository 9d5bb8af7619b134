"""``rttm``: the turns of a recording whose transcript says who speaks, for other tools."""

from __future__ import annotations

from collections.abc import Sequence

from components.export.format import ExportSettings, Format
from components.export.recording_text import RecordingText
from components.export.subtitles.cue import Cue
from components.speakers.rttm import write_rttm
from components.speakers.speaker_turns import SpeakerTurn, join_turns

JOINED_PAUSE = 0.5
"""Seconds of silence within a turn."""


def _encode(texts: Sequence[RecordingText], _: Sequence[Cue], settings: ExportSettings) -> bytes:
    (text,) = texts
    turns = [
        SpeakerTurn(segment.start, segment.end, segment.speaker)
        for part in text.parts
        for segment in part.segments
        if segment.speaker is not None
    ]
    return write_rttm(text.name, join_turns(turns, JOINED_PAUSE)).encode()


RTTM = Format("who speaks when, for other tools", _encode)
