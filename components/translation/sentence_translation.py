"""Candidate translations of a sentence, and the models that give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from components.errors import ModelError
from components.records import Token
from components.translation.segments.prepared_text import Sentence, Turn


@dataclass(frozen=True)
class SentenceTranslation:
    """One candidate translation of a sentence.

    Attributes:
        text: on one line.
        score: log-probability (nats) of its tokens, summed.
        rank: length-normalized score that orders the candidates.
        tokens: with their log-probabilities, eos included.
        finished: whether it ended by itself, not at the length limit.
        features: averaged over the sentences they become those of the hypothesis.
        counts: what a served model counted; those of the sentences add up.
        draw: the number of the sample, from 0; None where nothing was sampled.
    """

    text: str
    score: float
    rank: float
    tokens: tuple[Token, ...]
    finished: bool
    features: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, float] = field(default_factory=dict)
    draw: int | None = None


Candidates = list[SentenceTranslation] | ModelError
"""N-best translations of a sentence, or why the model has none."""


class TranslationBackend(Protocol):
    """A model that translates batches of sentences.

    Attributes:
        max_source: tokens of a sentence that it can read at most.
    """

    max_source: int

    def prepare(self, text: str, source: str, target: str | None) -> Sentence:
        """Tokenize one sentence. DataError if the model cannot translate it."""

    def decode(self, sentences: Sequence[Sentence]) -> Sequence[Candidates]:
        """Return the n-best translations of one batch, all of one target language, best first, none empty.

        Their prefixes are of one length, and what is written of them.
        """


class ContextBackend(TranslationBackend, Protocol):
    """A model that can read the sentences before one."""

    def prepare_in_context(
        self, text: str, source: str, target: str | None, turns: Sequence[Turn]
    ) -> Sentence | None:
        """Tokenize one sentence after those before it, the oldest first; None where they do not fit.

        Raises:
            DataError: it cannot be translated.
        """
