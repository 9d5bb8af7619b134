"""What a CTC model is to its recognizer: sound in, log-probabilities of tokens in every frame out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from components.audio import Samples
from components.decoding.ctc.forward import LogProbs


@dataclass(frozen=True)
class CtcVocabulary:
    """The tokens of a CTC model.

    Attributes:
        blank: the token that stands for none.
        pieces: the text of each token, with a space where a word begins or ends; "" for special tokens.
    """

    blank: int
    pieces: tuple[str, ...]


class CtcModel(Protocol):
    """A model that labels the frames of speech.

    Attributes:
        vocabulary: its tokens.
        language: the only one that it knows; None where it does not say.
    """

    vocabulary: CtcVocabulary
    language: str | None

    def score_frames(self, samples: Samples) -> LogProbs:
        """Log-probabilities (T, V) of mono 16 kHz ``samples``, whose frames are of equal length."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``, which are without blanks and repetitions."""
