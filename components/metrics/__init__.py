"""How good outputs are: error rates of transcripts, scores of translations, and how sure they are.

All scores are percentages (0 to 100, error rates may exceed it) with a 95% bootstrap interval, where
there are utterances enough for one.
"""

from components.metrics.translation import sentence_scores, translation_scores
from components.metrics.wer import ErrorCounts, recognition_scores, utterance_errors

version = 3
"""Raised when a score of the same outputs would come out differently."""

__all__ = [
    "ErrorCounts",
    "recognition_scores",
    "sentence_scores",
    "translation_scores",
    "utterance_errors",
    "version",
]
