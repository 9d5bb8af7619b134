"""A format of texts, and how texts are written in any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from components.export.recording_text import RecordingText
from components.export.subtitles.cue import Cue
from components.export.subtitles.rules import SubtitleRules
from components.records import Record


@dataclass(frozen=True)
class ExportSettings:
    """How texts are written.

    Attributes:
        rules: of subtitles.
        bilingual: translations with their sources.
        low: words whose confidence is below it are marked; None: none.
        karaoke: words of subtitles light up when they are said.
    """

    rules: SubtitleRules = field(default_factory=SubtitleRules)
    bilingual: bool = False
    low: float | None = None
    karaoke: bool = False


class Layout(NamedTuple):
    """How subtitles are made of what was said.

    Attributes:
        lay_out: the words of a recording -> its subtitles.
        check: the subtitles of files -> how many break which rule.
    """

    lay_out: Callable[[RecordingText, ExportSettings], Sequence[Cue]]
    check: Callable[[Iterable[Sequence[Cue]], ExportSettings], Record]


class Format(NamedTuple):
    """A format: what writes it, whether one file holds all recordings, and how subtitles are made."""

    summary: str
    encode: Callable[[Sequence[RecordingText], Sequence[Cue], ExportSettings], bytes]
    is_table: bool = False
    layout: Layout | None = None

    @property
    def is_subtitle(self) -> bool:
        """Whether it is one of subtitles."""
        return self.layout is not None
