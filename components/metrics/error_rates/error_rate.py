"""What WER and CER share: edits against the reference transcript per reference word or character, in percent.

Both sides pass the same declared normalizer first (jiwer neither lowercases nor strips punctuation).
Utterances whose reference is empty after it hold nothing to get wrong: they are kept apart, and what was
transcribed on them is a score of its own (:mod:`components.metrics.translation_quality.hallucinations`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from components.metrics.languages import merge_signatures
from components.metrics.metric import Metric, Segments
from components.metrics.normalizers import BY_LANGUAGE, normalizer_for
from components.metrics.statistics.bootstrap import PROTOCOL, FloatArray

if TYPE_CHECKING:
    import jiwer

    from components.text.normalization.text_normalization import Normalizer


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edits of one utterance against ``length`` reference words (or characters)."""

    substitutions: int
    deletions: int
    insertions: int
    length: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Error rate in percent; None where the reference is empty and no rate exists."""
        return 100.0 * self.errors / self.length if self.length else None


@dataclass(frozen=True)
class ErrorRate(Metric):
    """An error rate of transcripts; statistics are errors and the length of the reference.

    ``normalizer`` is a protocol by language, or that of all languages; see
    :mod:`components.metrics.normalizers`.
    """

    output = "transcript"
    needs = frozenset({"reference"})
    higher_is_better = False
    ceiling = 0.0
    unit: ClassVar[str]
    """Of lengths, in signatures."""
    normalizer: str = BY_LANGUAGE

    @abstractmethod
    def count_errors(self, segments: Segments) -> list[ErrorCounts]:
        """Return edits of every utterance, also of those with an empty reference."""

    def score(self, sums: FloatArray) -> FloatArray:
        """Return rates (...) in percent of sums (..., 2)."""
        return 100.0 * (sums[..., 0] / np.maximum(sums[..., 1], 1))

    def statistics(self, segments: Segments) -> FloatArray:
        """Return errors and reference lengths (n, 2)."""
        counts = self.count_errors(segments)
        return np.asarray([(count.errors, count.length) for count in counts], np.float64).reshape(-1, 2)

    def select(self, segments: Segments) -> Segments:
        """Return the utterances whose reference says something after normalization."""
        references, _ = normalize_segments(segments, self.normalizer)
        return segments.subset([n for n, reference in enumerate(references) if reference])

    def sentence_scores(self, segments: Segments) -> dict[str, float]:
        """Utterance id -> rate of it alone, of those whose reference is not empty."""
        counts = zip(segments.ids, self.count_errors(segments), strict=True)
        return {key: errors.rate for key, errors in counts if errors.rate is not None}

    def signature(self, segments: Segments) -> str:
        """Return normalizers of the languages and the version of jiwer."""
        normalizers = normalizer_signature(segments, self.normalizer)
        return f"{self.name}|corpus|norm:{normalizers}|{self.counter}"

    def count_apart(self, segments: Segments) -> int:
        """Return how many references are empty after normalization."""
        references, _ = normalize_segments(segments, self.normalizer)
        return sum(not reference for reference in references)

    def score_signature(self, scope: Segments, sums: FloatArray, apart: int) -> str:
        """Sign a score with the total length of references and the number of empty ones kept apart."""
        normalizers = normalizer_signature(scope, self.normalizer)
        return (
            f"{self.name}|corpus|{self.unit}:{int(sums[1])}|norm:{normalizers}|empty:{apart} apart"
            f"|{self.counter}|{PROTOCOL}"
        )

    @property
    def counter(self) -> str:
        """What counts the edits, and its version."""
        return f"jiwer:{version('jiwer')}"


def normalize_segments(segments: Segments, normalizer: str) -> tuple[list[str], list[str]]:
    """Return first references and outputs under a normalizer, or under those of their languages."""
    references, hypotheses = [""] * len(segments), [""] * len(segments)
    for language, positions in segments.positions_by_language().items():
        normalize = normalizer_for(language, normalizer)
        for n in positions:
            references[n] = _normalize(normalize, segments.references[n][0] if segments.references[n] else "")
            hypotheses[n] = _normalize(normalize, segments.hypotheses[n])
    return references, hypotheses


@lru_cache(maxsize=1 << 14)
def _normalize(normalizer: Normalizer, text: str) -> str:
    # Three metrics ask for the same texts, and Whisper's normalizer takes about a millisecond for a sentence.
    return normalizer(text)


def normalizer_signature(segments: Segments, normalizer: str) -> str:
    """Return the normalizers of the languages, as signatures name them."""
    languages = dict.fromkeys(sorted(segments.languages))
    return merge_signatures({code: normalizer_for(code, normalizer).signature for code in languages})


def count_word_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Return edits of whitespace-separated words; both sequences normalized and of equal length."""
    if not references:
        return []
    import jiwer  # noqa: PLC0415 - when something is scored

    # jiwer's defaults strip and squeeze spaces on their own; ours come from the declared normalizer only.
    words = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
    return _count(jiwer.process_words(list(references), list(hypotheses), words, words))


def count_character_errors(references: Sequence[str], hypotheses: Sequence[str]) -> list[ErrorCounts]:
    """Return edits of characters, a space between words being one of them."""
    if not references:
        return []
    import jiwer  # noqa: PLC0415 - when something is scored

    characters = jiwer.Compose([jiwer.ReduceToListOfListOfChars()])
    return _count(jiwer.process_characters(list(references), list(hypotheses), characters, characters))


def _count(output: jiwer.WordOutput | jiwer.CharacterOutput) -> list[ErrorCounts]:
    counts = []
    for reference, chunks in zip(output.references, output.alignments, strict=True):
        tally = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
        for chunk in chunks:
            span = (chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            tally[chunk.type] += max(span)
        counts.append(ErrorCounts(tally["substitute"], tally["delete"], tally["insert"], len(reference)))
    return counts
