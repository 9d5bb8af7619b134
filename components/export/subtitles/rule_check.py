"""What of the rules subtitles do not keep, and how fast they are to read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median

from pydantic import Field

from components.export.subtitles.cue import Cue
from components.export.subtitles.rules import SubtitleRules
from components.export.subtitles.timed_words import width_of
from components.records import Record
from components.text.counted_nouns import format_count

TOLERANCE = 0.002
"""Seconds: times are kept to the millisecond."""


class RuleCheck(Record):
    """How many of the subtitles of one or several files break which rule, and their reading speeds."""

    cues: int = Field(ge=0, description="subtitles")
    too_fast: int = Field(ge=0, description="above max_reading_speed")
    too_short: int = Field(ge=0, description="below min_seconds")
    too_long: int = Field(ge=0, description="above max_seconds")
    too_wide: int = Field(ge=0, description="with a line above max_line_width")
    too_many_lines: int = Field(ge=0, description="above max_lines")
    too_close: int = Field(ge=0, description="followed by a gap below min_gap")
    median_reading_speed: float | None = Field(None, description="columns a second")
    highest_reading_speed: float | None = Field(None, description="columns a second")

    @property
    def faults(self) -> dict[str, int]:
        """Subtitles by the rule that they break, without the rules that all keep."""
        counts = {
            "faster to read than the limit": self.too_fast,
            "shorter than the limit": self.too_short,
            "longer than the limit": self.too_long,
            "with a line that is too wide": self.too_wide,
            "with too many lines": self.too_many_lines,
            "too close to the next": self.too_close,
        }
        return {fault: count for fault, count in counts.items() if count}

    def describe(self) -> str:
        """Return the check in one line."""
        if not self.cues:
            return "no subtitles"
        speed = f"read at {self.median_reading_speed:.0f} columns a second (the fastest at "
        speed += f"{self.highest_reading_speed:.0f})"
        faults = "".join(f"; {count:,} of {self.cues:,} {fault}" for fault, count in self.faults.items())
        return f"{format_count(self.cues, 'subtitle')}, {speed}{faults or '; all rules kept'}"


def check_rules(files: Iterable[Sequence[Cue]], rules: SubtitleRules) -> RuleCheck:
    """Check the subtitles of every file against the rules."""
    cues: list[Cue] = []
    too_close = 0
    for file in files:
        cues += file
        gaps = [after.start - cue.end for cue, after in pairwise(file)]
        too_close += sum(gap < rules.min_gap - TOLERANCE for gap in gaps)
    seconds = [cue.end - cue.start for cue in cues]
    speeds = [cue.reading_speed for cue in cues]
    widths = [max(map(width_of, (*cue.lines, *cue.second))) for cue in cues]
    heights = [max(len(cue.lines), len(cue.second)) for cue in cues]
    slack = 1 + TOLERANCE
    return RuleCheck(
        cues=len(cues),
        too_fast=sum(speed > rules.max_reading_speed * slack for speed in speeds),
        too_short=sum(length < rules.min_seconds - TOLERANCE for length in seconds),
        too_long=sum(length > rules.max_seconds + TOLERANCE for length in seconds),
        too_wide=sum(width > rules.max_line_width for width in widths),
        too_many_lines=sum(height > rules.max_lines for height in heights),
        too_close=too_close,
        median_reading_speed=median(speeds) if speeds else None,
        highest_reading_speed=max(speeds, default=None),
    )
