"""Character error rate of transcripts."""

from __future__ import annotations

from dataclasses import dataclass

from components.metrics.error_rates.error_rate import (
    ErrorCounts,
    ErrorRate,
    count_character_errors,
    normalize_segments,
)
from components.metrics.metric import Segments


@dataclass(frozen=True)
class CharacterErrorRate(ErrorRate):
    """CER in percent over the whole corpus; a space between words is a character."""

    name = "cer"
    rank = 20
    label = "CER"
    unit = "char"
    sentence_metric = "wer"

    def count_errors(self, segments: Segments) -> list[ErrorCounts]:
        """Return edits of characters."""
        return count_character_errors(*normalize_segments(segments, self.normalizer))
