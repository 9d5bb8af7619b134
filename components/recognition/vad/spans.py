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
        speech: beginning and end of each stretch of speech in it, in seconds, where they are known.
    """

    start: float
    end: float
    speech_end: float | None = None
    voiced: bool = True
    speech: tuple[tuple[float, float], ...] = ()

    def speech_within(self, start: float, end: float) -> float:
        """Return how many seconds of its speech are between two times."""
        return sum(max(0.0, min(b, end) - max(a, start)) for a, b in self.speech)

    def part(self, start: float, end: float) -> Span:
        """Return the part of it between two times."""
        inside = ((max(a, start), min(b, end)) for a, b in self.speech)
        speech = tuple((a, b) for a, b in inside if a < b)
        speech_end = None if self.speech_end is None else min(end, self.speech_end)
        return Span(start, end, speech_end, self.voiced, speech)
