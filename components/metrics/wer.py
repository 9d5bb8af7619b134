"""Word error rate of transcripts."""

from __future__ import annotations

from dataclasses import dataclass

from components.languages import without_spaces
from components.metrics.error_rate import (
    ErrorCounts,
    ErrorRate,
    count_character_errors,
    count_word_errors,
    normalize_segments,
)
from components.metrics.metric import Segments


@dataclass(frozen=True)
class WordErrorRate(ErrorRate):
    """WER in percent over the whole corpus: 100 x (S + D + I) / N.

    Of languages written without spaces there is no corpus score; a single utterance is counted in characters.
    """

    name = "wer"
    label = "WER"
    unit = "word"

    def select(self, segments: Segments) -> Segments:
        """Utterances in languages with words, whose reference says something after normalization."""
        spoken = super().select(segments)
        return spoken.subset([n for n, code in enumerate(spoken.languages) if not without_spaces(code)])

    def count_errors(self, segments: Segments) -> list[ErrorCounts]:
        """Edits of words; of characters in languages written without spaces."""
        references, hypotheses = normalize_segments(segments, self.normalizer)
        counts: list[ErrorCounts | None] = [None] * len(segments)
        for language, positions in segments.positions_by_language().items():
            count = count_character_errors if without_spaces(language) else count_word_errors
            language_counts = count([references[n] for n in positions], [hypotheses[n] for n in positions])
            for n, errors in zip(positions, language_counts, strict=True):
                counts[n] = errors
        return [errors for errors in counts if errors is not None]
