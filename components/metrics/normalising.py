"""Which declared normaliser a language's transcripts are scored under."""

from __future__ import annotations

import re

from components.text import Normaliser, normaliser

WITHOUT_SPACES = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
"""Languages written without spaces between words, by their ISO 639 code: scored in characters."""


def primary(language: str) -> str:
    """The language without script and region: ``zh`` of ``zh-TW``."""
    return re.split("[-_]", language.lower())[0]


def without_spaces(language: str) -> bool:
    """Whether words of the language are not separated by spaces."""
    return primary(language) in WITHOUT_SPACES


def normaliser_for(language: str) -> Normaliser:
    """The default: ``whisper-english`` for English, ``basic`` elsewhere, no spaces where there are none."""
    if without_spaces(language):
        return normaliser("basic-no-spaces")
    return normaliser("whisper-english" if primary(language) == "en" else "basic")
