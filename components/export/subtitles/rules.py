"""The rules that subtitles keep: settings, with the usual defaults of the field (docs/use/export.md)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from components.stage_settings import Settings


class SubtitleRules(Settings):
    """How much text a subtitle holds, and how long it is on the screen."""

    max_line_width: int = Field(
        42,
        ge=10,
        le=200,
        description="columns of a line of subtitles; full-width letters (Chinese) take two",
    )
    max_lines: int = Field(2, ge=1, le=4, description="lines of a subtitle; of bilingual ones, per language")
    min_seconds: float = Field(1.0, ge=0.1, le=10, description="a subtitle is shown at least so long")
    max_seconds: float = Field(7.0, ge=1, le=60, description="a subtitle is shown at most so long")
    max_reading_speed: float = Field(
        17.0,
        ge=5,
        le=100,
        description="columns of a subtitle a second; a faster one stays longer if it can",
    )
    min_gap: float = Field(0.083, ge=0, le=2, description="seconds between two subtitles: two frames of film")
    linger: float = Field(
        0.9, ge=0, le=2, description="seconds that a subtitle stays after its last word, if there is room"
    )
    close_gaps: float = Field(
        0.5,
        ge=0,
        le=2,
        description="gaps shorter than this are closed to min_gap, so that none has 3 to 11 frames; 0: none",
    )

    @model_validator(mode="after")
    def _min_is_below_max(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise ValueError(
                f"min_seconds: expected at most max_seconds {self.max_seconds:g}, found {self.min_seconds:g}"
            )
        return self
