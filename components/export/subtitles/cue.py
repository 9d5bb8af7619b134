"""What a subtitle is."""

from __future__ import annotations

from dataclasses import dataclass

from components.export.subtitles.timed_words import TimedWord, join_words, width_of

Line = tuple[TimedWord, ...]


@dataclass(frozen=True)
class Cue:
    """A subtitle.

    Attributes:
        start: seconds into the recording, to the millisecond.
        end: the same.
        lines: its words by line.
        second: the same in another language, below or above them.
        speaker: who says it, where several speak.
    """

    start: float
    end: float
    lines: tuple[Line, ...]
    second: tuple[Line, ...] = ()
    speaker: str | None = None

    @property
    def text(self) -> str:
        """Its lines, and those of the other language after them."""
        return "\n".join(join_words(line) for line in (*self.lines, *self.second))

    @property
    def reading_speed(self) -> float:
        """Columns a second, of the language that has more."""
        columns = max(sum(map(width_of, lines)) for lines in (self.lines, self.second))
        return columns / (self.end - self.start)
