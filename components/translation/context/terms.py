"""The terms of a list in one translator: which sentences they apply to, and how they guide its search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.decoding.candidates import Candidate
from components.decoding.constraints.guidance import Guidance
from components.decoding.constraints.term_guidance import Phrase, TermGuidance, tokenizations, word_edges
from components.text.term_list import Term, phrase_pattern, read_terms
from components.translation.segments.prepared_text import Sentence
from components.translation.sentence_translation import SentenceTranslation

MISSING_FEATURE = "missing_terms"
"""Feature of hypotheses: required terms that a sentence lacks, on average (the length limit cut it)."""


class SourceTerms:
    """Terms that a translation should have where its source has theirs.

    Args:
        terms: the list.
        tokenizer: of the model, from transformers.
        size: of the model's vocabulary.
        name: of the model.
    """

    def __init__(self, terms: Sequence[Term], tokenizer: Any, size: int, name: str) -> None:
        self._patterns = [phrase_pattern(term.source) if term.source else None for term in terms]
        self._guidance = TermGuidance(
            [Phrase(term.target, term.boost, term.require) for term in terms],
            lambda text: tokenizations(tokenizer, text),
            word_edges(tokenizer, size),
            name,
        )

    def find(self, text: str) -> tuple[tuple[int, int], ...]:
        """The numbers of the terms that apply to a source sentence, and how often it has their sources.

        Terms without a source apply to every sentence, once.
        """
        counts = [1 if pattern is None else len(pattern.findall(text)) for pattern in self._patterns]
        return tuple((number, count) for number, count in enumerate(counts) if count)

    def guide(self, sentences: Sequence[Sentence]) -> Guidance:
        """Return the guidance of a search over a batch of sentences."""
        return self._guidance.guide([dict(sentence.terms) for sentence in sentences])

    def mark(self, translation: SentenceTranslation, candidate: Candidate) -> SentenceTranslation:
        """A translation with the number of required terms that it lacks, where the list requires any."""
        if not self._guidance.requires:
            return translation
        return replace(translation, features={MISSING_FEATURE: float(candidate.missing)})


def read_source_terms(path: str, tokenizer: Any, size: int, name: str) -> SourceTerms:
    """Return the terms of a file for a model. ConfigError names a line that is wrong."""
    return SourceTerms(read_terms(Path(path)), tokenizer, size, name)
