"""Stretches of audio, and how long a window is at most; imported without torch."""

from __future__ import annotations

from dataclasses import dataclass

MAX_WINDOW_SECONDS = 30.0


@dataclass(frozen=True)
class Span:
    """A stretch of audio.

    Attributes:
        start: seconds from the start of the audio.
        end: seconds from the start of the audio.
        speech_end: where the last speech in it ends, in seconds, if that is known.
        voiced: false where voice activity detection is sure that nothing in it is speech.
    """

    start: float
    end: float
    speech_end: float | None = None
    voiced: bool = True
