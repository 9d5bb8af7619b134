"""Questions to a person about doubtful texts, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.records import Audio


@dataclass(frozen=True)
class Question:
    """A text that a person is to approve or to correct.

    Attributes:
        utterance_id: of the utterance.
        text: as it is now.
        confidence: geometric mean of the probabilities of its tokens, from 0 to 1.
        source: what it was translated from, or the name of its recording.
        audio: its recording.
    """

    utterance_id: str
    text: str
    confidence: float
    source: str
    audio: Audio | None = None


@dataclass(frozen=True)
class Answers:
    """The texts that count by utterance id, approved ones as they were; who gave them, when and where."""

    texts: Mapping[str, str]
    by: str
    at: str
    through: str


Ask = Callable[[str, Sequence[Question], float], Answers]
"""Asks a person for a node, who has so many hours; raises AntiphonError where nobody answers."""
