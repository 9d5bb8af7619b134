"""Word error rate of transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.metadata import version

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
        """Return utterances in languages with words, whose reference says something after normalization."""
        spoken = super().select(segments)
        return spoken.subset([n for n, code in enumerate(spoken.languages) if not without_spaces(code)])

    def count_errors(self, segments: Segments) -> list[ErrorCounts]:
        """Return edits of words; of characters in languages written without spaces."""
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
        is_open_asr = self.normalizer == OPEN_ASR
        return f"kaldialign:{version('kaldialign')} merge-compounds" if is_open_asr else super().counter


def count_with_compounds(
    references: Sequence[str], hypotheses: Sequence[str], *, is_english: bool
) -> list[ErrorCounts]:
    """Return edits of words, where ``white paper`` and ``whitepaper`` are equal.

    Args:
        references: normalized.
        hypotheses: normalized.
        is_english: of other languages the leaderboard also joins stretches that differ in their spaces
            alone, which makes references shorter.

    Returns:
        The counts of each pair.
    """
    from kaldialign import edit_distance  # noqa: PLC0415 - of the extra open-asr

    counts = []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        words = reference.split(), hypothesis.split()
        expected, found = words if is_english else join_differing_spaces(*words)
        edits = edit_distance(expected, found, merge_compounds=True)
        counts.append(
            ErrorCounts(int(edits["sub"]), int(edits["del"]), int(edits["ins"]), int(edits["ref_len"]))
        )
    return counts


def join_differing_spaces(first: Sequence[str], second: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return both texts, with each stretch that differs in its spaces alone as one word."""
    joined: tuple[list[str], list[str]] = [], []
    for _, start, end, other_start, other_end in SequenceMatcher(None, first, second).get_opcodes():
        words = first[start:end], second[other_start:other_end]
        texts = ["".join(side) for side in words]
        is_one_word = words[0] != words[1] and texts[0] == texts[1]
        for side in range(2):
            joined[side].extend([texts[side]] if is_one_word else words[side])
    return joined
