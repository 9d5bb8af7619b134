"""What guides the search for a translation beside the model: entries of ``antiphon.translation_guides``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from components.decoding.candidates import Candidate
from components.decoding.constraints.guidance import Guidance
from components.extensions import Extensions, accept_any
from components.translation.segments.prepared_text import Sentence
from components.translation.sentence_translation import SentenceTranslation


class TermsGuide(Protocol):
    """Terms that a translation should have where its source has theirs."""

    def find(self, text: str) -> tuple[tuple[int, int], ...]:
        """Find the numbers of the terms that apply to a sentence, and how often it has their sources."""

    def guide(self, sentences: Sequence[Sentence]) -> Guidance:
        """Return the guidance of a search over a batch of sentences."""

    def mark(self, translation: SentenceTranslation, candidate: Candidate) -> SentenceTranslation:
        """A translation with the number of required terms that it lacks, where the list requires any."""


GUIDES: Extensions[Any] = Extensions("antiphon.translation_guides", "guide", accept_any)


def load_terms(path: str | None, tokenizer: Any, size: int, name: str) -> TermsGuide | None:
    """Return the terms of a file for a model; None without a file. ConfigError names a line that is wrong.

    Args:
        path: the file.
        tokenizer: of the model, from transformers.
        size: of the model's vocabulary.
        name: of the model.
    """
    return None if path is None else GUIDES["terms"](path, tokenizer, size, name)
