"""Word error rates of the human recordings by language, with what they count in sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.metrics.error_rates.recognition import utterance_errors
from components.records import Utterance

Recording = dict[str, Any]
"""``id``, ``language``, ``seconds`` and ``transcript`` (None where nobody wrote down what is said)."""


def recordings_of(utterances: Sequence[Utterance]) -> list[Recording]:
    """The utterances as a page needs them."""
    return [
        {
            "id": u.id,
            "language": u.source_language,
            "seconds": u.audio.seconds if u.audio else 0.0,
            "transcript": u.transcript,
        }
        for u in utterances
    ]


def words_by_language(recordings: Sequence[Recording]) -> dict[str, int]:
    """Language -> reference words after normalization."""
    languages = sorted({r["language"] for r in recordings if r["transcript"] is not None})
    own = {language: [r for r in recordings if r["language"] == language] for language in languages}
    return {language: _counts(part, [""] * len(part), language)[1] for language, part in own.items()}


def word_error_rates(recordings: Sequence[Recording], texts: Sequence[str]) -> dict[str, float]:
    """Language -> errors of the corpus in percent of its reference words, by the language's normalizer."""
    rates = {}
    for language in words_by_language(recordings):
        pairs = [(r, t) for r, t in zip(recordings, texts, strict=True) if r["language"] == language]
        errors, words = _counts([r for r, _ in pairs], [t for _, t in pairs], language)
        rates[language] = 100 * errors / words
    return rates


def _counts(recordings: Sequence[Recording], texts: Sequence[str], language: str) -> tuple[int, int]:
    """Errors and reference words of the recordings that have a transcript."""
    scored = [
        (r, text.strip()) for r, text in zip(recordings, texts, strict=True) if r["transcript"] is not None
    ]
    counts = utterance_errors(
        {r["id"]: r["transcript"] for r, _ in scored}, {r["id"]: t for r, t in scored}, language=language
    ).values()
    return sum(c.errors for c in counts if c.length), sum(c.length for c in counts)
