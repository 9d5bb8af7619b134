"""A format of texts, and how texts are written in any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from components.export.recording_text import RecordingText
from components.export.subtitles.cues import Cue
from components.export.subtitles.rules import SubtitleRules


@dataclass(frozen=True)
class ExportSettings:
    """How texts are written.

    Attributes:
        rules: of subtitles.
        bilingual: translations with their sources.
        low: words whose confidence is below it are marked; None: none.
    """

    rules: SubtitleRules = field(default_factory=SubtitleRules)
    bilingual: bool = False
    low: float | None = None


class Format(NamedTuple):
    """A format: what writes it, and whether one file holds all recordings. Subtitles are for speech alone."""

    summary: str
    encode: Callable[[Sequence[RecordingText], Sequence[Cue], ExportSettings], bytes]
    is_table: bool = False
    is_subtitle: bool = False
