"""How well outputs write the terms of a list, and the other words beside them.

A term counts where the reference has it: recall and false terms are counts of whole words, smaller of the two
and what is too much. WER is divided as Le et al. 2021 (https://arxiv.org/abs/2104.02194) do: B-WER of the
words of terms, U-WER of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version

import numpy as np
from typing_extensions import override

from components.metrics.error_rates.error_rate import normalize_segments, normalizer_signature
from components.metrics.metric import Metric, Output, Segments
from components.metrics.normalizers import BY_LANGUAGE, normalizer_for
from components.metrics.statistics.bootstrap import FloatArray
from components.metrics.translation_quality.bleu import Bleu
from components.text.languages import WORDS_VERSION
from components.text.term_list import phrase_pattern


@lru_cache(maxsize=64)
def _written(terms: tuple[str, ...], output: Output, language: str, normalizer: str) -> tuple[str, ...]:
    """Return the terms as texts of a language are counted."""
    if output != "transcript":
        return terms
    normalize = normalizer_for(language, normalizer)
    return tuple(normalize(term) for term in terms)


@dataclass(frozen=True)
class _TermMetric(Metric):
    """A metric of outputs beside the terms that they should have.

    ``terms`` are the phrases; ``output`` says of what. Transcripts are counted under their ``normalizer``,
    translations as they are written.
    """

    terms: tuple[str, ...] = ()
    output: Output = "transcript"
    normalizer: str = BY_LANGUAGE

    needs = frozenset({"reference"})
    is_utility = False
    needs_terms = True

    @override
    def with_terms(self, terms: tuple[str, ...], output: Output, normalizer: str) -> Metric | None:
        return replace(self, terms=terms, output=output, normalizer=normalizer)

    def texts(self, segments: Segments) -> tuple[list[str], list[str]]:
        """Return references and outputs as they are counted."""
        if self.output == "transcript":
            return normalize_segments(segments, self.normalizer)
        references = [next(filter(str.strip, texts), "") for texts in segments.references]
        return references, list(segments.hypotheses)

    def spans(self, text: str, language: str) -> list[tuple[int, range]]:
        """Return number and characters of each occurrence of a term; the longest first, without overlap."""
        found: list[tuple[int, range]] = []
        written = _written(self.terms, self.output, language, self.normalizer)
        for number, term in sorted(enumerate(written), key=lambda pair: -len(pair[1])):
            for match in phrase_pattern(term).finditer(text) if term else ():
                span = range(*match.span())
                if not any(span.start < other.stop and other.start < span.stop for _, other in found):
                    found.append((number, span))
        return found

    def counts(self, segments: Segments) -> list[tuple[FloatArray, FloatArray]]:
        """Count for each utterance how often each term is in the reference and in the output."""
        references, hypotheses = self.texts(segments)
        pairs = zip(references, hypotheses, segments.languages, strict=True)
        return [(self._count(r, code), self._count(h, code)) for r, h, code in pairs]

    def _count(self, text: str, language: str) -> FloatArray:
        numbers = [number for number, _ in self.spans(text, language)]
        return np.bincount(numbers, minlength=len(self.terms)).astype(np.float64)

    def signature(self, segments: Segments) -> str:
        """Return the number of terms, and how texts are counted."""
        how = "first reference, as written"
        if self.output == "transcript":
            how = f"norm:{normalizer_signature(segments, self.normalizer)}"
        return f"{self.name}|terms:{len(self.terms)}|words:{WORDS_VERSION}|{how}"


@dataclass(frozen=True)
class TermRecall(_TermMetric):
    """Percentage of the terms in the references that the outputs have; statistics are both numbers."""

    name = "term_recall"
    rank = 80
    label = "term recall"
    higher_is_better = True
    ceiling = 100.0

    def select(self, segments: Segments) -> Segments:
        """Return the utterances whose reference has a term."""
        selected = super().select(segments)
        return selected.subset([n for n, (r, _) in enumerate(self.counts(selected)) if r.any()])

    def statistics(self, segments: Segments) -> FloatArray:
        """Return (n, 2): terms that are in both, and in the reference."""
        rows = [(np.minimum(r, h).sum(), r.sum()) for r, h in self.counts(segments)]
        return np.asarray(rows, np.float64).reshape(-1, 2)

    def score(self, sums: FloatArray) -> FloatArray:
        """Return percentages (...) of sums (..., 2)."""
        return 100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1)

    def score_signature(self, scope: Segments, sums: FloatArray, apart: int) -> str:
        """Sign with the number of terms in the references."""
        return f"{super().score_signature(scope, sums, apart)}|occurrences:{int(sums[1])}"


@dataclass(frozen=True)
class FalseTerms(_TermMetric):
    """Terms that outputs have beyond their references, per 100 outputs."""

    name = "false_terms"
    rank = 81
    label = "false terms/100"
    higher_is_better = False
    ceiling = 0.0

    def statistics(self, segments: Segments) -> FloatArray:
        """Return (n, 2): terms that are too much, and 1."""
        rows = [(np.maximum(h - r, 0).sum(), 1) for r, h in self.counts(segments)]
        return np.asarray(rows, np.float64).reshape(-1, 2)

    def score(self, sums: FloatArray) -> FloatArray:
        """Return terms (...) per 100 outputs of sums (..., 2)."""
        return 100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1)


@dataclass(frozen=True)
class _DividedErrorRate(_TermMetric):
    """WER of the words of terms, or of the other words.

    A substitution or a deletion belongs to the reference's word, an insertion to the output's.
    """

    higher_is_better = False
    ceiling = 0.0
    of_terms = False

    def statistics(self, segments: Segments) -> FloatArray:
        """Return (n, 2): errors and reference words."""
        import jiwer  # noqa: PLC0415 - when something is scored

        split = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
        rows = []
        for reference, hypothesis, code in zip(*self.texts(segments), segments.languages, strict=True):
            in_reference, in_output = self._are_terms(reference, code), self._are_terms(hypothesis, code)
            errors = 0
            words = jiwer.process_words([reference], [hypothesis], split, split)
            for chunk in words.alignments[0]:
                if chunk.type == "insert":
                    errors += self._count_own(in_output[chunk.hyp_start_idx : chunk.hyp_end_idx])
                elif chunk.type != "equal":
                    errors += self._count_own(in_reference[chunk.ref_start_idx : chunk.ref_end_idx])
            rows.append((errors, self._count_own(in_reference)))
        return np.asarray(rows, np.float64).reshape(-1, 2)

    def select(self, segments: Segments) -> Segments:
        """Return the utterances whose reference says something after normalization."""
        references, _ = self.texts(segments)
        return segments.subset([n for n, reference in enumerate(references) if reference])

    def score(self, sums: FloatArray) -> FloatArray:
        """Return rates (...) in percent of sums (..., 2)."""
        return 100.0 * sums[..., 0] / np.maximum(sums[..., 1], 1)

    def score_signature(self, scope: Segments, sums: FloatArray, apart: int) -> str:
        """Sign with the number of words."""
        signature = super().score_signature(scope, sums, apart)
        return f"{signature}|word:{int(sums[1])}|jiwer:{version('jiwer')}"

    def _are_terms(self, text: str, language: str) -> list[bool]:
        """Of each word whether it is part of a term."""
        spans, flags, start = self.spans(text, language), [], 0
        for word in text.split():
            start = text.index(word, start)
            flags.append(any(span.start < start + len(word) and start < span.stop for _, span in spans))
            start += len(word)
        return flags

    @override
    def with_terms(self, terms: tuple[str, ...], output: Output, normalizer: str) -> Metric | None:
        return super().with_terms(terms, output, normalizer) if output == "transcript" else None

    def _count_own(self, flags: Sequence[bool]) -> int:
        return sum(flag == self.of_terms for flag in flags)


@dataclass(frozen=True)
class BiasedErrorRate(_DividedErrorRate):
    """B-WER: of the words of terms."""

    name = "b_wer"
    rank = 82
    label = "WER of terms"
    of_terms = True


@dataclass(frozen=True)
class UnbiasedErrorRate(_DividedErrorRate):
    """U-WER: of all other words."""

    name = "u_wer"
    rank = 83
    label = "WER of other words"


@dataclass(frozen=True)
class BleuElsewhere(Bleu):
    """BLEU of the texts without terms: what a list costs where it has nothing to say."""

    name = "bleu_elsewhere"
    rank = 84
    label = "BLEU without terms"
    is_utility = False
    needs_terms = True
    terms: tuple[str, ...] = ()

    @override
    def with_terms(self, terms: tuple[str, ...], output: Output, normalizer: str) -> Metric | None:
        return replace(self, terms=terms) if output == "translation" else None

    def select(self, segments: Segments) -> Segments:
        """Return the utterances none of whose references has a term."""
        selected, counter = super().select(segments), TermRecall(self.terms, "translation")
        rows = enumerate(zip(selected.references, selected.languages, strict=True))
        return selected.subset(
            [n for n, (texts, code) in rows if not any(counter.spans(text, code) for text in texts)]
        )
