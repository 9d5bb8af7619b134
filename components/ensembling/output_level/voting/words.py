"""The words of texts that vote."""

from __future__ import annotations

from dataclasses import dataclass

from components.text.languages import without_spaces

MIN_CONFIDENCE = 1e-10
"""Confidences are at least this, so that their logarithms are finite."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word: ``key`` is compared to count votes, ``surface`` is its spelling; confidence in (0, 1]."""

    key: str
    surface: str
    confidence: float


def split_units(text: str, language: str) -> list[str]:
    """Return the words of a text, or its characters in languages written without spaces."""
    return [c for c in text if not c.isspace()] if without_spaces(language) else text.split()
