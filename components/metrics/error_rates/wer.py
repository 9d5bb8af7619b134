"""Word error rate of transcripts."""

from __future__ import annotations

from dataclasses import dataclass

from components.metrics.error_rates.compounds import count_with_compounds, counter_signature
from components.metrics.error_rates.error_rate import (
    ErrorCounts,
    ErrorRate,
    count_character_errors,
    count_word_errors,
    normalize_segments,
)
from components.metrics.metric import Segments
from components.metrics.normalizers import OPEN_ASR
from components.text.languages import is_same_language, without_spaces


@dataclass(frozen=True)
class WordErrorRate(ErrorRate):
    """WER in percent over the whole corpus: 100 x (S + D + I) / N.

    Of languages written without spaces there is no corpus score; a single utterance is counted in characters.
    Under the normalizer ``open-asr`` a compound that is written in one word or in two is no error.
    """

    name = "wer"
    rank = 10
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
            texts = [references[n] for n in positions], [hypotheses[n] for n in positions]
            if without_spaces(language):
                language_counts = count_character_errors(*texts)
            elif self.normalizer == OPEN_ASR:
                language_counts = count_with_compounds(*texts, is_english=is_same_language(language, "en"))
            else:
                language_counts = count_word_errors(*texts)
            for n, errors in zip(positions, language_counts, strict=True):
                counts[n] = errors
        return [errors for errors in counts if errors is not None]

    @property
    def counter(self) -> str:
        """What counts the edits, and its version."""
        return counter_signature() if self.normalizer == OPEN_ASR else super().counter
